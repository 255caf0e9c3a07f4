"""What to read of files, and what was learnt of them on the way. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from asana_jobs_pd._decode.field_types import Known
from asana_jobs_pd._decode.inferred_schema import Node, merge
from asana_jobs_pd._decode.issues import Issues
from asana_jobs_pd._decode.schema import SCHEMA, Spec

__all__ = ["ReadOptions", "ScanResult", "spec_of"]

T = TypeVar("T")


class ReadOptions(msgspec.Struct, frozen=True):
    """What to read; goes to other processes as it is."""

    resource_types: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    custom_fields: Literal["columns", "long", "raw"] = "columns"
    on_bad_lines: Literal["error", "warn", "skip"] = "error"
    max_line_bytes: int = 64 << 20


class ScanResult(msgspec.Struct):
    """What was learnt from files, or parts of them; merges in any order.

    Parameters
    ----------
    roots
        The fields of each type of row.
    known
        The custom fields of each type of row.
    issues
        What did not fit.
    skipped
        How many lines could not be read.
    """

    roots: dict[str, Node] = msgspec.field(default_factory=dict)
    known: dict[str, Known] = msgspec.field(default_factory=dict)
    issues: Issues = msgspec.field(default_factory=Issues)
    skipped: int = 0

    def merged(self, other: ScanResult) -> ScanResult:
        """Return what both have learnt."""
        roots = _joined(self.roots, other.roots, merge)
        known = _joined(self.known, other.known, Known.merged)
        issues = self.issues.merged(other.issues)
        return ScanResult(roots, known, issues, self.skipped + other.skipped)


def _joined(one: dict[str, T], other: dict[str, T], join: Callable[[T, T], T]) -> dict[str, T]:
    both = {name: join(one[name], other[name]) for name in one.keys() & other.keys()}
    whole = one | other | both
    return {name: whole[name] for name in sorted(whole)}


def spec_of(resource_type: str, options: ReadOptions) -> dict[str, Spec]:
    """Return what the schema says of a type of row, under these options."""
    spec: dict[str, Spec] = {"custom_fields": "custom_fields"} | SCHEMA.get(resource_type, {})
    if options.custom_fields == "raw":
        del spec["custom_fields"]
    return spec
