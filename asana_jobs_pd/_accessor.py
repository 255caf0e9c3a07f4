"""``df.asana``: what a frame of jobs can do, wherever it has been."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import pandas as pd

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from asana_jobs_pd._decode.locations import StorageOptions
    from asana_jobs_pd._export.export import AsanaDaskExport, AsanaExport, Backend
    from asana_jobs_pd._export.request import BadLines, CustomFieldsAs
    from asana_jobs_pd._http.client import Client
    from asana_jobs_pd._report.plot import AsanaPlot
    from asana_jobs_pd._widget.widget import JobsWidget
    from asana_jobs_pd.typing import Errors, Until

__all__ = ["AsanaAccessor"]


@pd.api.extensions.register_dataframe_accessor("asana")
class AsanaAccessor:
    """Asana jobs in a DataFrame: refresh them, and see what they say.

    Works on any frame with the gids of jobs in ``gid``, as a column or in the index; our
    columns are recognized by name, yours are left alone. Nothing here changes the frame.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        # pandas keeps this object: a check here would speak of a frame that has changed since.
        self._frame = frame

    def refresh(
        self,
        *,
        finished: bool = False,
        errors: Errors = "coerce",
        client: Client | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Ask Asana again for the jobs that are not finished; see `refresh_asana_jobs`."""
        from asana_jobs_pd._jobs.read import refresh_asana_jobs

        return refresh_asana_jobs(
            self._frame, finished=finished, errors=errors, client=client, progress=progress
        )

    def to_parquet(
        self,
        dest: str | os.PathLike[str],
        *,
        engine: Literal["pandas", "dask"] = "pandas",
        resource_types: str | Sequence[str] | None = None,
        columns: str | Sequence[str] | None = None,
        custom_fields: CustomFieldsAs = "columns",
        on_bad_lines: BadLines = "error",
        overwrite: bool = False,
        workers: int | None = None,
        blocksize: int | None = None,
        max_line_bytes: int = 64 << 20,
        storage_options: StorageOptions = None,
        temp_dir: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Convert all downloaded files to Parquet datasets; see `asana_export_to_parquet`.

        Reads the files in ``file.path``; rows without one are passed over.

        Raises
        ------
        InvalidFrameError
            When no row has a file.
        """
        from asana_jobs_pd._parquet.convert import asana_export_to_parquet

        return asana_export_to_parquet(
            self._frame,
            dest,
            engine=engine,
            resource_types=resource_types,
            columns=columns,
            custom_fields=custom_fields,
            on_bad_lines=on_bad_lines,
            overwrite=overwrite,
            workers=workers,
            blocksize=blocksize,
            max_line_bytes=max_line_bytes,
            storage_options=storage_options,
            temp_dir=temp_dir,
            progress=progress,
        )

    def wait(
        self,
        *,
        timeout: float | None = None,
        until: Until = "all",
        errors: Errors = "coerce",
        client: Client | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Wait until the jobs are finished, and return their frame; see `wait_asana_jobs`."""
        from asana_jobs_pd._monitor.wait import wait_asana_jobs

        return wait_asana_jobs(
            self._checked(),
            timeout=timeout,
            until=until,
            errors=errors,
            client=client,
            progress=progress,
        )

    async def wait_async(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  the same as without await
        until: Until = "all",
        errors: Errors = "coerce",
        client: Client | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Wait in a cell that awaits; see `wait_asana_jobs_async`."""
        from asana_jobs_pd._monitor.wait import wait_asana_jobs_async

        return await wait_asana_jobs_async(
            self._checked(),
            timeout=timeout,
            until=until,
            errors=errors,
            client=client,
            progress=progress,
        )

    def download(
        self,
        dest: str | os.PathLike[str] = ".",
        *,
        overwrite: bool = False,
        max_workers: int = 4,
        max_inflated: int | None = None,
        errors: Errors = "coerce",
        client: Client | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Download the files of succeeded exports into a folder; see `download_asana_exports`."""
        from asana_jobs_pd._download.download import download_asana_exports

        return download_asana_exports(
            self._frame,
            dest,
            overwrite=overwrite,
            max_workers=max_workers,
            max_inflated=max_inflated,
            errors=errors,
            client=client,
            progress=progress,
        )

    def watch(
        self, *, client: Client | None = None, dest: str | os.PathLike[str] = "exports/"
    ) -> JobsWidget:
        """Show the jobs live, and download what they export; see `JobsWidget`."""
        from asana_jobs_pd._widget.widget import JobsWidget

        return JobsWidget(self._checked(), client=client, dest=dest)

    def changes(self, previous: pd.DataFrame) -> pd.DataFrame:
        """Return what is different from an earlier frame of the same jobs.

        Parameters
        ----------
        previous
            The frame before a refresh, say. Rows meet by gid; jobs that only one of the frames
            has are left out.

        Returns
        -------
        pandas.DataFrame
            One row a changed value: ``gid``, ``column``, ``before``, ``after``, all ``string``,
            times in ISO 8601. ``fetched_at`` is not compared, and of a signed URL only what
            comes before its signature.

        Raises
        ------
        InvalidFrameError
            When one of them is no frame of jobs.
        """
        from asana_jobs_pd._jobs.views import changes

        return changes(self._frame, previous)

    def summary(self) -> pd.DataFrame:
        """Return how many jobs there are of each kind in each state.

        Returns
        -------
        pandas.DataFrame
            One row a ``resource_subtype`` by name, then ``total``; one column a status in the
            order of a job's life, others by name, ``unknown`` for jobs that could not be read,
            then ``total``. Counts are ``int64``; a repeated gid counts once.
        """
        from asana_jobs_pd._jobs.views import summary

        return summary(self._frame)

    def results(self) -> pd.DataFrame:
        """Return what the jobs created: one row an object, whichever ``new_*`` it is.

        Returns
        -------
        pandas.DataFrame
            ``gid`` (of the job), ``kind`` (``task``, ``graph_export``, …), ``new.gid``,
            ``new.name``, ``new.created_at``, ``new.completed_at``, in the order of the jobs; a
            repeated gid gives its rows once. Until a job has succeeded, its object may be
            inconsistent.
        """
        from asana_jobs_pd._jobs.views import results

        return results(self._frame)

    @overload
    def load(
        self,
        *,
        engine: Literal["pandas"] = "pandas",
        resource_types: str | Sequence[str] | None = None,
        columns: str | Sequence[str] | None = None,
        custom_fields: CustomFieldsAs = "columns",
        dtype_backend: Backend = "numpy_nullable",
        on_bad_lines: BadLines = "error",
        workers: int | None = None,
        blocksize: None = None,
        max_line_bytes: int = 64 << 20,
        progress: bool | None = None,
    ) -> AsanaExport: ...

    @overload
    def load(
        self,
        *,
        engine: Literal["dask"],
        resource_types: str | Sequence[str] | None = None,
        columns: str | Sequence[str] | None = None,
        custom_fields: CustomFieldsAs = "columns",
        dtype_backend: Backend = "numpy_nullable",
        on_bad_lines: BadLines = "error",
        workers: None = None,
        blocksize: int | None = None,
        max_line_bytes: int = 64 << 20,
        progress: bool | None = None,
    ) -> AsanaDaskExport: ...

    def load(
        self,
        *,
        engine: Literal["pandas", "dask"] = "pandas",
        resource_types: str | Sequence[str] | None = None,
        columns: str | Sequence[str] | None = None,
        custom_fields: CustomFieldsAs = "columns",
        dtype_backend: Backend = "numpy_nullable",
        on_bad_lines: BadLines = "error",
        workers: int | None = None,
        blocksize: int | None = None,
        max_line_bytes: int = 64 << 20,
        progress: bool | None = None,
    ) -> AsanaExport | AsanaDaskExport:
        """Load all downloaded files together; see `read_asana_export`.

        Reads the files in ``file.path``; rows without one are passed over. Nothing else of the
        frame goes to the workers of Dask.

        Raises
        ------
        InvalidFrameError
            When no row has a file.
        """
        from asana_jobs_pd._export.read import read_asana_export

        read: Callable[..., Any] = read_asana_export  # whose overloads are ours
        data: AsanaExport | AsanaDaskExport = read(
            self._frame,
            engine=engine,
            resource_types=resource_types,
            columns=columns,
            custom_fields=custom_fields,
            dtype_backend=dtype_backend,
            on_bad_lines=on_bad_lines,
            workers=workers,
            blocksize=blocksize,
            max_line_bytes=max_line_bytes,
            progress=progress,
        )
        return data

    @property
    def plot(self) -> AsanaPlot:
        """Pictures: ``jobs.asana.plot.timeline()`` and ``.status()``. Needs matplotlib."""
        from asana_jobs_pd._report.plot import AsanaPlot

        return AsanaPlot(self._checked())

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "Asana jobs",
        history: pd.DataFrame | None = None,
        start: str | None = None,
        end: str | None = None,
        tz: str | tzinfo | None = None,
    ) -> Path:
        """Write one HTML file that needs nothing else; see `asana_jobs_report`."""
        from asana_jobs_pd._report.report import asana_jobs_report

        return asana_jobs_report(
            self._frame, path, title=title, history=history, start=start, end=end, tz=tz
        )

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write an ``.xlsx`` file that opens as it was; see `asana_jobs_to_excel`."""
        from asana_jobs_pd._report.excel import asana_jobs_to_excel

        return asana_jobs_to_excel(self._frame, path)

    @property
    def pending(self) -> pd.DataFrame:
        """The rows that are not finished: what ``refresh()`` would ask for."""
        from asana_jobs_pd._jobs.states import is_finished

        return self._frame[~is_finished(self._checked())]

    @property
    def failed(self) -> pd.DataFrame:
        """The rows without success: failed, answered by 403 or 404, or never started."""
        from asana_jobs_pd._jobs.states import is_failed

        return self._frame[is_failed(self._checked())]

    @property
    def exports(self) -> pd.DataFrame:
        """The rows of graph and resource exports, ready or not."""
        from asana_jobs_pd._jobs.states import is_export

        return self._frame[is_export(self._checked())]

    @property
    def cached(self) -> pd.DataFrame:
        """The rows whose graph export Asana had ready before it was requested here.

        Of more than 1,000 tasks it keeps one for 4 hours: what is in it may be stale.
        """
        from asana_jobs_pd._jobs.as_jobs import cast_frame, gids_of
        from asana_jobs_pd._jobs.states import is_cached

        return self._frame[is_cached(cast_frame(self._frame, gids_of(self._frame)))]

    def _checked(self) -> pd.DataFrame:
        from asana_jobs_pd._jobs.as_jobs import gids_of

        gids_of(self._frame)
        return self._frame
