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
    from asana_jobs_pd._accessor import AsanaAccessor, accessor
    from asana_jobs_pd._compare.compare import compare_asana_exports
    from asana_jobs_pd._compare.comparison import ExportComparison
    from asana_jobs_pd._download.download import download_asana_exports
    from asana_jobs_pd._export.export import AsanaDaskExport, AsanaExport
    from asana_jobs_pd._export.read import read_asana_export
    from asana_jobs_pd._http.client import Client, connect
    from asana_jobs_pd._jobs.frame import asana_jobs_from_records
    from asana_jobs_pd._jobs.ledger import recent_jobs
    from asana_jobs_pd._jobs.read import read_asana_jobs, refresh_asana_jobs
    from asana_jobs_pd._jobs.read_file import read_jobs_file
    from asana_jobs_pd._monitor.monitor import JobsMonitor
    from asana_jobs_pd._monitor.wait import wait_asana_jobs, wait_asana_jobs_async
    from asana_jobs_pd._parquet.convert import asana_export_to_parquet
    from asana_jobs_pd._report.excel import asana_jobs_to_excel
    from asana_jobs_pd._report.plot import plot_asana_status
    from asana_jobs_pd._report.report import asana_jobs_report
    from asana_jobs_pd._report.timeline import plot_asana_timeline
    from asana_jobs_pd._start.api import (
        duplicate_portfolio,
        duplicate_project,
        duplicate_task,
        export_graph,
        export_resources,
        instantiate_project,
        instantiate_task,
        save_project_as_template,
    )
    from asana_jobs_pd._start.resource_export import ResourceExport
    from asana_jobs_pd._widget.widget import JobsWidget
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
    "AsanaAccessor",
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
    "accessor",
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
    "read_jobs_file",
    "recent_jobs",
    "refresh_asana_jobs",
    "sandbox",
    "save_project_as_template",
    "testing",
    "typing",
    "wait_asana_jobs",
    "wait_asana_jobs_async",
]

_LAZY = {
    "AsanaAccessor": "asana_jobs_pd._accessor",
    "accessor": "asana_jobs_pd._accessor",
    "AsanaChangeWarning": "asana_jobs_pd.errors",
    "AsanaDaskExport": "asana_jobs_pd._export.export",
    "AsanaExport": "asana_jobs_pd._export.export",
    "AsanaJobsError": "asana_jobs_pd.errors",
    "AsanaStartWarning": "asana_jobs_pd.errors",
    "Client": "asana_jobs_pd._http.client",
    "ExportComparison": "asana_jobs_pd._compare.comparison",
    "JobsMonitor": "asana_jobs_pd._monitor.monitor",
    "JobsWidget": "asana_jobs_pd._widget.widget",
    "PartialDownloadError": "asana_jobs_pd.errors",
    "PartialReadError": "asana_jobs_pd.errors",
    "PartialStartError": "asana_jobs_pd.errors",
    "ReadInterrupted": "asana_jobs_pd.errors",
    "ResourceExport": "asana_jobs_pd._start.resource_export",
    "StartInterrupted": "asana_jobs_pd.errors",
    "WaitTimeoutError": "asana_jobs_pd.errors",
    "asana_export_to_parquet": "asana_jobs_pd._parquet.convert",
    "asana_jobs_from_records": "asana_jobs_pd._jobs.frame",
    "asana_jobs_report": "asana_jobs_pd._report.report",
    "asana_jobs_to_excel": "asana_jobs_pd._report.excel",
    "compare_asana_exports": "asana_jobs_pd._compare.compare",
    "connect": "asana_jobs_pd._http.client",
    "download_asana_exports": "asana_jobs_pd._download.download",
    "duplicate_portfolio": "asana_jobs_pd._start.api",
    "duplicate_project": "asana_jobs_pd._start.api",
    "duplicate_task": "asana_jobs_pd._start.api",
    "export_graph": "asana_jobs_pd._start.api",
    "export_resources": "asana_jobs_pd._start.api",
    "instantiate_project": "asana_jobs_pd._start.api",
    "instantiate_task": "asana_jobs_pd._start.api",
    "plot_asana_status": "asana_jobs_pd._report.plot",
    "plot_asana_timeline": "asana_jobs_pd._report.timeline",
    "read_asana_export": "asana_jobs_pd._export.read",
    "read_asana_jobs": "asana_jobs_pd._jobs.read",
    "read_jobs_file": "asana_jobs_pd._jobs.read_file",
    "recent_jobs": "asana_jobs_pd._jobs.ledger",
    "refresh_asana_jobs": "asana_jobs_pd._jobs.read",
    "save_project_as_template": "asana_jobs_pd._start.api",
    "wait_asana_jobs": "asana_jobs_pd._monitor.wait",
    "wait_asana_jobs_async": "asana_jobs_pd._monitor.wait",
}

logging.getLogger("asana_jobs_pd").addHandler(logging.NullHandler())


if not TYPE_CHECKING:  # which see the imports above

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("asana_jobs_pd")
        if name in ("errors", "ledger", "sandbox", "testing", "typing"):
            return importlib.import_module(f"asana_jobs_pd.{name}")
        if name not in _LAZY:
            raise AttributeError(f"module 'asana_jobs_pd' has no attribute {name!r}")
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Bring the magic ``%asana_jobs``: what ``%load_ext asana_jobs_pd`` calls."""
    from asana_jobs_pd._cli.magic import load

    load(shell)


def __dir__() -> list[str]:
    return ["__version__", *__all__]
