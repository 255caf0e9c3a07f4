"""What is where in the folder of a converted export. Pure..

    dest/
      task/part-00000.parquet      a dataset a type of row: all its files have one schema
           part-00001.parquet      in the order of the rows
      project/part-00000.parquet
      _custom_fields.parquet       the catalogue of custom fields
      _issues.parquet              what did not fit
      _manifest.json               what is here
      _SUCCESS                     empty; written last

A name that begins with an underscore is passed over by whatever reads datasets by the folder.
"""

from __future__ import annotations

import re
from hashlib import blake2b

__all__ = [
    "CATALOGUE",
    "ISSUES",
    "LONG_VALUES",
    "MANIFEST",
    "SUCCESS",
    "folder_of",
    "part_name",
]

CATALOGUE = "_custom_fields.parquet"
ISSUES = "_issues.parquet"
LONG_VALUES = "_custom_field_values"
MANIFEST = "_manifest.json"
SUCCESS = "_SUCCESS"

_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_DEVICES = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")


def folder_of(resource_type: str) -> str:
    """Return the name of the folder of a type of row.

    That is its own name; of another than Asana's are, which could lead anywhere, a digest.
    """
    if _PLAIN.fullmatch(resource_type) and not _DEVICES.fullmatch(resource_type):
        return resource_type
    return f"other-{blake2b(resource_type.encode(), digest_size=8).hexdigest()}"


def part_name(number: int) -> str:
    """Return the name of a file of a dataset: as texts, names are in the order of the rows."""
    return f"part-{number:05}.parquet"
