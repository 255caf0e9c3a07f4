"""Asana's asynchronous jobs as typed pandas DataFrames.

>>> import asana_jobs_pd as aj
>>> jobs = aj.read_asana_jobs(["1208…", "1208…"])  # doctest: +SKIP
>>> jobs = jobs.asana.refresh()                    # doctest: +SKIP

Importing it registers the accessor ``df.asana``; what is heavy is loaded when it is used.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

from asana_jobs_pd import _accessor as _accessor  # registers df.asana

if TYPE_CHECKING:
    from asana_jobs_pd import errors, sandbox, typing
    from asana_jobs_pd._api.client import Client
    from asana_jobs_pd._api.connect import connect
    from asana_jobs_pd._exports.compare import compare_asana_exports
    from asana_jobs_pd._exports.comparison import ExportComparison
    from asana_jobs_pd._exports.convert import asana_export_to_parquet
    from asana_jobs_pd._exports.dask_export import AsanaDaskExport
    from asana_jobs_pd._exports.engines import read_asana_export
    from asana_jobs_pd._exports.export import AsanaExport
    from asana_jobs_pd._jobs.frame import asana_jobs_from_records
    from asana_jobs_pd._jobs.read import read_asana_jobs, refresh_asana_jobs
    from asana_jobs_pd.errors import (
        AsanaChangeWarning,
        AsanaJobsError,
        PartialReadError,
        ReadInterrupted,
    )

    __version__: str

__all__ = [
    "AsanaChangeWarning",
    "AsanaDaskExport",
    "AsanaExport",
    "AsanaJobsError",
    "Client",
    "ExportComparison",
    "PartialReadError",
    "ReadInterrupted",
    "asana_export_to_parquet",
    "asana_jobs_from_records",
    "compare_asana_exports",
    "connect",
    "errors",
    "read_asana_export",
    "read_asana_jobs",
    "refresh_asana_jobs",
    "sandbox",
    "typing",
]

_LAZY = {
    "AsanaChangeWarning": "asana_jobs_pd.errors",
    "AsanaDaskExport": "asana_jobs_pd._exports.dask_export",
    "AsanaExport": "asana_jobs_pd._exports.export",
    "AsanaJobsError": "asana_jobs_pd.errors",
    "Client": "asana_jobs_pd._api.client",
    "ExportComparison": "asana_jobs_pd._exports.comparison",
    "PartialReadError": "asana_jobs_pd.errors",
    "ReadInterrupted": "asana_jobs_pd.errors",
    "asana_export_to_parquet": "asana_jobs_pd._exports.convert",
    "asana_jobs_from_records": "asana_jobs_pd._jobs.frame",
    "compare_asana_exports": "asana_jobs_pd._exports.compare",
    "connect": "asana_jobs_pd._api.connect",
    "read_asana_export": "asana_jobs_pd._exports.engines",
    "read_asana_jobs": "asana_jobs_pd._jobs.read",
    "refresh_asana_jobs": "asana_jobs_pd._jobs.read",
}

logging.getLogger("asana_jobs_pd").addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("asana_jobs_pd")
    if name in ("errors", "sandbox", "typing"):
        return importlib.import_module(f"asana_jobs_pd.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'asana_jobs_pd' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
