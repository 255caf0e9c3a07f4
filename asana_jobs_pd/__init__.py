"""Asana's asynchronous jobs as typed pandas DataFrames.

>>> import asana_jobs_pd as aj
>>> jobs = aj.read_asana_jobs(["1208…", "1208…"])  # doctest: +SKIP
>>> jobs = jobs.asana.refresh()                    # doctest: +SKIP

Importing it registers the accessor ``df.asana``; most modules are imported on first use.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

from asana_jobs_pd import _accessor as _accessor  # registers df.asana

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from asana_jobs_pd import errors as errors
    from asana_jobs_pd import ledger as ledger
    from asana_jobs_pd import sandbox as sandbox
    from asana_jobs_pd import testing as testing
    from asana_jobs_pd import typing as typing
    from asana_jobs_pd._accessor import AsanaAccessor as AsanaAccessor
    from asana_jobs_pd._accessor import accessor as accessor
    from asana_jobs_pd._compare.compare import compare_asana_exports as compare_asana_exports
    from asana_jobs_pd._compare.comparison import ExportComparison as ExportComparison
    from asana_jobs_pd._download.download import download_asana_exports as download_asana_exports
    from asana_jobs_pd._export.dask_export import AsanaDaskExport as AsanaDaskExport
    from asana_jobs_pd._export.export import AsanaArrowExport as AsanaArrowExport
    from asana_jobs_pd._export.export import AsanaExport as AsanaExport
    from asana_jobs_pd._export.read import read_asana_export as read_asana_export
    from asana_jobs_pd._http.client import Client as Client
    from asana_jobs_pd._http.default_client import connect as connect
    from asana_jobs_pd._jobs.eta import estimate_asana_jobs as estimate_asana_jobs
    from asana_jobs_pd._jobs.frame import asana_jobs_from_records as asana_jobs_from_records
    from asana_jobs_pd._jobs.ledger import recent_jobs as recent_jobs
    from asana_jobs_pd._jobs.read import read_asana_jobs as read_asana_jobs
    from asana_jobs_pd._jobs.read import refresh_asana_jobs as refresh_asana_jobs
    from asana_jobs_pd._jobs.read_file import read_jobs_file as read_jobs_file
    from asana_jobs_pd._monitor.monitor import JobsMonitor as JobsMonitor
    from asana_jobs_pd._monitor.wait import wait_asana_jobs as wait_asana_jobs
    from asana_jobs_pd._monitor.wait import wait_asana_jobs_async as wait_asana_jobs_async
    from asana_jobs_pd._parquet.convert import asana_export_to_parquet as asana_export_to_parquet
    from asana_jobs_pd._parquet.dataset import read_asana_dataset as read_asana_dataset
    from asana_jobs_pd._report.excel import asana_jobs_to_excel as asana_jobs_to_excel
    from asana_jobs_pd._report.export_excel import frames_to_excel as frames_to_excel
    from asana_jobs_pd._report.plot import plot_asana_status as plot_asana_status
    from asana_jobs_pd._report.report import asana_jobs_report as asana_jobs_report
    from asana_jobs_pd._report.timeline import plot_asana_timeline as plot_asana_timeline
    from asana_jobs_pd._start.api import duplicate_portfolio as duplicate_portfolio
    from asana_jobs_pd._start.api import duplicate_project as duplicate_project
    from asana_jobs_pd._start.api import duplicate_task as duplicate_task
    from asana_jobs_pd._start.api import export_graph as export_graph
    from asana_jobs_pd._start.api import export_resources as export_resources
    from asana_jobs_pd._start.api import instantiate_project as instantiate_project
    from asana_jobs_pd._start.api import instantiate_task as instantiate_task
    from asana_jobs_pd._start.api import save_project_as_template as save_project_as_template
    from asana_jobs_pd._start.resource_export import ResourceExport as ResourceExport
    from asana_jobs_pd._tables.dictionary import AsanaDictionary as AsanaDictionary
    from asana_jobs_pd._tables.relations import AsanaTables as AsanaTables
    from asana_jobs_pd._tables.sql import sql as sql
    from asana_jobs_pd._widget.widget import JobsWidget as JobsWidget
    from asana_jobs_pd.errors import AsanaChangeWarning as AsanaChangeWarning
    from asana_jobs_pd.errors import AsanaJobsError as AsanaJobsError
    from asana_jobs_pd.errors import AsanaStartWarning as AsanaStartWarning
    from asana_jobs_pd.errors import PartialDownloadError as PartialDownloadError
    from asana_jobs_pd.errors import PartialReadError as PartialReadError
    from asana_jobs_pd.errors import PartialStartError as PartialStartError
    from asana_jobs_pd.errors import ReadInterrupted as ReadInterrupted
    from asana_jobs_pd.errors import StartInterrupted as StartInterrupted
    from asana_jobs_pd.errors import WaitTimeoutError as WaitTimeoutError

    __version__: str

_NAMES = {
    "_accessor": "AsanaAccessor accessor",
    "_compare.compare": "compare_asana_exports",
    "_compare.comparison": "ExportComparison",
    "_download.download": "download_asana_exports",
    "_export.dask_export": "AsanaDaskExport",
    "_export.export": "AsanaArrowExport AsanaExport",
    "_export.read": "read_asana_export",
    "_http.client": "Client",
    "_http.default_client": "connect",
    "_jobs.eta": "estimate_asana_jobs",
    "_jobs.frame": "asana_jobs_from_records",
    "_jobs.ledger": "recent_jobs",
    "_jobs.read": "read_asana_jobs refresh_asana_jobs",
    "_jobs.read_file": "read_jobs_file",
    "_monitor.monitor": "JobsMonitor",
    "_monitor.wait": "wait_asana_jobs wait_asana_jobs_async",
    "_parquet.convert": "asana_export_to_parquet",
    "_parquet.dataset": "read_asana_dataset",
    "_report.excel": "asana_jobs_to_excel",
    "_report.export_excel": "frames_to_excel",
    "_report.plot": "plot_asana_status",
    "_report.report": "asana_jobs_report",
    "_report.timeline": "plot_asana_timeline",
    "_start.api": (
        "duplicate_portfolio duplicate_project duplicate_task export_graph export_resources "
        "instantiate_project instantiate_task save_project_as_template"
    ),
    "_start.resource_export": "ResourceExport",
    "_tables.dictionary": "AsanaDictionary",
    "_tables.relations": "AsanaTables",
    "_tables.sql": "sql",
    "_widget.widget": "JobsWidget",
    "errors": (
        "AsanaChangeWarning AsanaJobsError AsanaStartWarning PartialDownloadError "
        "PartialReadError PartialStartError ReadInterrupted StartInterrupted WaitTimeoutError"
    ),
}
"""The public names of each module, which is imported when one of them is first used."""
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}
_SUBMODULES = ("errors", "ledger", "sandbox", "testing", "typing")
__all__ = sorted((*_MODULES, *_SUBMODULES))  # noqa: PLE0605  the imports above say it statically

logging.getLogger("asana_jobs_pd").addHandler(logging.NullHandler())


if not TYPE_CHECKING:  # type checkers see the imports above

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("asana_jobs_pd")
        if name in _SUBMODULES:
            return importlib.import_module(f"asana_jobs_pd.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module 'asana_jobs_pd' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"asana_jobs_pd.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magic ``%asana_jobs``; called by ``%load_ext asana_jobs_pd``."""
    from asana_jobs_pd._cli.magic import load

    load(shell)


def __dir__() -> list[str]:
    return ["__version__", *__all__]
