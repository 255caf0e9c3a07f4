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
    from IPython.core.interactiveshell import InteractiveShell

    from asana_jobs_pd import errors, ledger, sandbox, typing
    from asana_jobs_pd._api.client import Client
    from asana_jobs_pd._api.connect import connect
    from asana_jobs_pd._exports.compare import compare_asana_exports
    from asana_jobs_pd._exports.comparison import ExportComparison
    from asana_jobs_pd._exports.convert import asana_export_to_parquet
    from asana_jobs_pd._exports.dask_export import AsanaDaskExport
    from asana_jobs_pd._exports.download import download_asana_exports
    from asana_jobs_pd._exports.engines import read_asana_export
    from asana_jobs_pd._exports.export import AsanaExport
    from asana_jobs_pd._jobs.frame import asana_jobs_from_records
    from asana_jobs_pd._jobs.ledger import recent_jobs
    from asana_jobs_pd._jobs.monitor import JobsMonitor
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
    from asana_jobs_pd._jobs.wait import wait_asana_jobs, wait_asana_jobs_async
    from asana_jobs_pd._notebook.excel import asana_jobs_to_excel
    from asana_jobs_pd._notebook.plot import plot_asana_status, plot_asana_timeline
    from asana_jobs_pd._notebook.report import asana_jobs_report
    from asana_jobs_pd._notebook.widget import JobsWidget
    from asana_jobs_pd.errors import (
        AsanaChangeWarning,
        AsanaJobsError,
        AsanaStartWarning,
        PartialDownloadError,
        PartialReadError,
        PartialStartError,
        ReadInterrupted,
        StartInterrupted,
        WaitTimeoutError,
    )

    __version__: str

__all__ = [
    "AsanaChangeWarning",
    "AsanaDaskExport",
    "AsanaExport",
    "AsanaJobsError",
    "AsanaStartWarning",
    "Client",
    "ExportComparison",
    "JobsMonitor",
    "JobsWidget",
    "PartialDownloadError",
    "PartialReadError",
    "PartialStartError",
    "ReadInterrupted",
    "ResourceExport",
    "StartInterrupted",
    "WaitTimeoutError",
    "asana_export_to_parquet",
    "asana_jobs_from_records",
    "asana_jobs_report",
    "asana_jobs_to_excel",
    "compare_asana_exports",
    "connect",
    "download_asana_exports",
    "duplicate_portfolio",
    "duplicate_project",
    "duplicate_task",
    "errors",
    "export_graph",
    "export_resources",
    "instantiate_project",
    "instantiate_task",
    "ledger",
    "plot_asana_status",
    "plot_asana_timeline",
    "read_asana_export",
    "read_asana_jobs",
    "recent_jobs",
    "refresh_asana_jobs",
    "sandbox",
    "save_project_as_template",
    "typing",
    "wait_asana_jobs",
    "wait_asana_jobs_async",
]

_LAZY = {
    "AsanaChangeWarning": "asana_jobs_pd.errors",
    "AsanaDaskExport": "asana_jobs_pd._exports.dask_export",
    "AsanaExport": "asana_jobs_pd._exports.export",
    "AsanaJobsError": "asana_jobs_pd.errors",
    "AsanaStartWarning": "asana_jobs_pd.errors",
    "Client": "asana_jobs_pd._api.client",
    "ExportComparison": "asana_jobs_pd._exports.comparison",
    "JobsMonitor": "asana_jobs_pd._jobs.monitor",
    "JobsWidget": "asana_jobs_pd._notebook.widget",
    "PartialDownloadError": "asana_jobs_pd.errors",
    "PartialReadError": "asana_jobs_pd.errors",
    "PartialStartError": "asana_jobs_pd.errors",
    "ReadInterrupted": "asana_jobs_pd.errors",
    "ResourceExport": "asana_jobs_pd._jobs.resource_export",
    "StartInterrupted": "asana_jobs_pd.errors",
    "WaitTimeoutError": "asana_jobs_pd.errors",
    "asana_export_to_parquet": "asana_jobs_pd._exports.convert",
    "asana_jobs_from_records": "asana_jobs_pd._jobs.frame",
    "asana_jobs_report": "asana_jobs_pd._notebook.report",
    "asana_jobs_to_excel": "asana_jobs_pd._notebook.excel",
    "compare_asana_exports": "asana_jobs_pd._exports.compare",
    "connect": "asana_jobs_pd._api.connect",
    "download_asana_exports": "asana_jobs_pd._exports.download",
    "duplicate_portfolio": "asana_jobs_pd._jobs.start",
    "duplicate_project": "asana_jobs_pd._jobs.start",
    "duplicate_task": "asana_jobs_pd._jobs.start",
    "export_graph": "asana_jobs_pd._jobs.start_exports",
    "export_resources": "asana_jobs_pd._jobs.start_exports",
    "instantiate_project": "asana_jobs_pd._jobs.start",
    "instantiate_task": "asana_jobs_pd._jobs.start",
    "plot_asana_status": "asana_jobs_pd._notebook.plot",
    "plot_asana_timeline": "asana_jobs_pd._notebook.plot",
    "read_asana_export": "asana_jobs_pd._exports.engines",
    "read_asana_jobs": "asana_jobs_pd._jobs.read",
    "recent_jobs": "asana_jobs_pd._jobs.ledger",
    "refresh_asana_jobs": "asana_jobs_pd._jobs.read",
    "save_project_as_template": "asana_jobs_pd._jobs.start",
    "wait_asana_jobs": "asana_jobs_pd._jobs.wait",
    "wait_asana_jobs_async": "asana_jobs_pd._jobs.wait",
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


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Bring the magic ``%asana_jobs``: what ``%load_ext asana_jobs_pd`` calls."""
    from asana_jobs_pd._notebook.magic import load

    load(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
