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
    from asana_jobs_pd import errors, ledger, sandbox, typing
    from asana_jobs_pd._api.client import Client
    from asana_jobs_pd._api.connect import connect
    from asana_jobs_pd._jobs.frame import asana_jobs_from_records
    from asana_jobs_pd._jobs.ledger import recent_jobs
    from asana_jobs_pd._jobs.read import read_asana_jobs, refresh_asana_jobs
    from asana_jobs_pd._jobs.resource_export import ResourceExport
    from asana_jobs_pd._jobs.start import (
        duplicate_portfolio,
        duplicate_project,
        duplicate_task,
        instantiate_project,
        instantiate_task,
        save_project_as_template,
    )
    from asana_jobs_pd._jobs.start_exports import export_graph, export_resources
    from asana_jobs_pd.errors import (
        AsanaChangeWarning,
        AsanaJobsError,
        AsanaStartWarning,
        PartialReadError,
        PartialStartError,
        ReadInterrupted,
        StartInterrupted,
    )

    __version__: str

__all__ = [
    "AsanaChangeWarning",
    "AsanaJobsError",
    "AsanaStartWarning",
    "Client",
    "PartialReadError",
    "PartialStartError",
    "ReadInterrupted",
    "ResourceExport",
    "StartInterrupted",
    "asana_jobs_from_records",
    "connect",
    "duplicate_portfolio",
    "duplicate_project",
    "duplicate_task",
    "errors",
    "export_graph",
    "export_resources",
    "instantiate_project",
    "instantiate_task",
    "ledger",
    "read_asana_jobs",
    "recent_jobs",
    "refresh_asana_jobs",
    "sandbox",
    "save_project_as_template",
    "typing",
]

_LAZY = {
    "AsanaChangeWarning": "asana_jobs_pd.errors",
    "AsanaJobsError": "asana_jobs_pd.errors",
    "AsanaStartWarning": "asana_jobs_pd.errors",
    "Client": "asana_jobs_pd._api.client",
    "PartialReadError": "asana_jobs_pd.errors",
    "PartialStartError": "asana_jobs_pd.errors",
    "ReadInterrupted": "asana_jobs_pd.errors",
    "ResourceExport": "asana_jobs_pd._jobs.resource_export",
    "StartInterrupted": "asana_jobs_pd.errors",
    "asana_jobs_from_records": "asana_jobs_pd._jobs.frame",
    "connect": "asana_jobs_pd._api.connect",
    "duplicate_portfolio": "asana_jobs_pd._jobs.start",
    "duplicate_project": "asana_jobs_pd._jobs.start",
    "duplicate_task": "asana_jobs_pd._jobs.start",
    "export_graph": "asana_jobs_pd._jobs.start_exports",
    "export_resources": "asana_jobs_pd._jobs.start_exports",
    "instantiate_project": "asana_jobs_pd._jobs.start",
    "instantiate_task": "asana_jobs_pd._jobs.start",
    "read_asana_jobs": "asana_jobs_pd._jobs.read",
    "recent_jobs": "asana_jobs_pd._jobs.ledger",
    "refresh_asana_jobs": "asana_jobs_pd._jobs.read",
    "save_project_as_template": "asana_jobs_pd._jobs.start",
}

logging.getLogger("asana_jobs_pd").addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("asana_jobs_pd")
    if name in ("errors", "ledger", "sandbox", "typing"):
        return importlib.import_module(f"asana_jobs_pd.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'asana_jobs_pd' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
