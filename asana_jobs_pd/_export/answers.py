"""What a loaded export answers; the rooms above do the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from asana_jobs_pd._export.by_type import ByType

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from asana_jobs_pd._report.export_plot import ExportPlot
    from asana_jobs_pd._tables.dictionary import AsanaDictionary
    from asana_jobs_pd._tables.relations import AsanaTables
    from asana_jobs_pd.typing import DtypeBackend


class ExportAnswers(ByType[pd.DataFrame]):
    """The frames and the catalogue of an export, and what they tell together."""

    custom_fields: pd.DataFrame
    custom_field_values: pd.DataFrame | None
    issues: pd.DataFrame
    issue_count: int
    incomplete_files: list[str]
    backend: DtypeBackend

    def field(
        self, name: str, *, resource_type: str | None = None, merge: bool = False
    ) -> pd.Series:
        """Return a custom field's column.

        Parameters
        ----------
        name
            Its name, its gid, or the name of its column.
        resource_type
            Whose: ``"task"``, ``"project"``, …; None for tasks, or else the first that have it.
        merge
            Of several fields with this name, which must be of one type, the first value in each
            row.

        Raises
        ------
        InvalidFieldError
            When there is no such field, or more than one; the message lists the choices.
        """
        from asana_jobs_pd._tables.fields import field_of  # noqa: PLC0415  upwards

        return field_of(self, name, resource_type=resource_type, merge=merge)

    def tables(self) -> AsanaTables:
        """Return the export as keyed tables, and the relations between them.

        Returns
        -------
        AsanaTables
            A mapping of names to DataFrames; each is made when it is asked for.

        Raises
        ------
        InvalidFrameError
            When tasks were loaded or exported without `gid` or `memberships`.
        InvalidOptionError
            When custom fields were not loaded as columns.
        """
        from asana_jobs_pd._tables.relations import tables_of  # noqa: PLC0415  upwards

        return tables_of(self)

    def gaps(self) -> pd.DataFrame:
        """Return what the export refers to and does not contain.

        Of kinds of which it has no rows at all, such as people, or projects in a resource export,
        nothing is reported: `tables()` makes them from what refers to them.

        Returns
        -------
        pandas.DataFrame
            `kind`, `gid`, `name`, `referred_by` (type of row and column), `count`, `why`
            (``"deeper subtask"``, ``"other project"``, ``"not visible"``, ``"unknown"``), and
            `example`, the gid of a row that refers to it. Subtasks that a task only counts are
            one row, without a gid.

        Raises
        ------
        InvalidFrameError, InvalidOptionError
            As `tables`.
        """
        from asana_jobs_pd._tables.gaps import gaps_of  # noqa: PLC0415  upwards

        return gaps_of(self)

    def history(self, field: str) -> pd.DataFrame:
        """Return the values of a field of every task, from its creation until the export.

        It comes from the stories of a resource export.

        Parameters
        ----------
        field
            ``"section"``, ``"assignee"``, ``"completed"``, ``"due_on"``, ``"start_on"``,
            ``"name"``, or the name, gid or column of a custom field.

        Returns
        -------
        pandas.DataFrame
            One row for each interval: `task`; of sections, `project`; `value`, and `value.gid`
            where values are objects; `from`, `to` (missing in the last interval), `by` (who began
            it) and `origin`: ``"story"``; ``"creation"`` for what the task was created with;
            ``"unknown"`` for a first interval where the stories do not reach back to the creation.
            The intervals of a task, or of a task in a project, follow each other without a gap;
            once it is removed from a project, the value is missing. Lists are shown as text.

        Raises
        ------
        InvalidFrameError
            When the tasks have no stories, or lack the field.
        InvalidFieldError
            When there is no such field, or more than one.

        Warns
        -----
        AsanaValueWarning
            When stories are of unknown kinds, or contradict each other or the tasks.
        """
        from asana_jobs_pd._tables.history import history_of  # noqa: PLC0415  upwards

        return history_of(self, field)

    def sql(self, query: str) -> pd.DataFrame:
        """Return the result of a SQL query over `tables`; see `asana_jobs_pd.sql`."""
        from asana_jobs_pd._tables.sql import sql  # noqa: PLC0415  upwards

        return sql(self, query)

    def to_duckdb(self, path: str | os.PathLike[str]) -> Path:
        """Write `tables` to a DuckDB file, which any SQL tool can open.

        Parameters
        ----------
        path
            The file, ``….duckdb``; an existing file is replaced atomically.

        Returns
        -------
        pathlib.Path
            The absolute path of the file.

        Raises
        ------
        MissingExtraError
            When DuckDB is not installed.
        """
        from asana_jobs_pd._tables.sql import write_duckdb  # noqa: PLC0415  upwards

        return write_duckdb(self, path)

    def time_in(
        self, field: str = "section", *, until: Literal["completion", "export"] = "completion"
    ) -> pd.DataFrame:
        """Return how long each task had each value of a field.

        Parameters
        ----------
        field
            As in `history`.
        until
            When the time of a task ends: ``"completion"``, at its `completed_at`, which leaves
            out what it was after that; or ``"export"``, for completed tasks, too. That of
            unfinished tasks ends with the export.

        Returns
        -------
        pandas.DataFrame
            A row for each task (of sections, for each task and project) and value: `task`,
            `task.name`; of sections, `project` and `project.name`; `value`; `time`, a timedelta;
            `ended`, False while the task still has the value and is not completed. Sections come
            by project, in the order in which tasks pass through them.

        Raises
        ------
        InvalidFrameError, InvalidFieldError
            As `history`; also without `completed_at`.
        """
        from asana_jobs_pd._tables.flow import time_in_of  # noqa: PLC0415  upwards

        return time_in_of(self, field, until=until)

    def cycle_time(self, start: str | None = None) -> pd.DataFrame:
        """Return how long each completed task took.

        Parameters
        ----------
        start
            The name of the section in which work begins; None for the creation of the task.

        Returns
        -------
        pandas.DataFrame
            `task`, `started`, `completed` and `time`; tasks that were never in the section before
            they were completed are left out.
        """
        from asana_jobs_pd._tables.flow import cycle_time_of  # noqa: PLC0415  upwards

        return cycle_time_of(self, start)

    def flow(
        self,
        field: str = "section",
        *,
        project: str | None = None,
        freq: str = "D",
        tz: str = "UTC",
    ) -> pd.DataFrame:
        """Return how many tasks had each value of a field at the end of each day.

        Parameters
        ----------
        field
            As in `history`.
        project
            The gid or the name of a project; None for all. A task in two projects is in a section
            of each.
        freq
            How far the days are apart, by the offsets of pandas: ``"D"``, ``"W"``, ``"ME"``.
        tz
            The time zone in which a day ends.

        Returns
        -------
        pandas.DataFrame
            Indexed by `day`; a column for each value, in the order in which tasks reach them.
        """
        from asana_jobs_pd._tables.flow import flow_of  # noqa: PLC0415  upwards

        return flow_of(self, field, project=project, freq=freq, tz=tz)

    def burnup(
        self, *, project: str | None = None, freq: str = "D", tz: str = "UTC"
    ) -> pd.DataFrame:
        """Return how many tasks there were, and how many were completed, at the end of each day.

        Parameters
        ----------
        project, freq, tz
            As in `flow`; tasks that are in the project now.

        Returns
        -------
        pandas.DataFrame
            Indexed by `day`; `created` and `completed`.
        """
        from asana_jobs_pd._tables.flow import burnup_of  # noqa: PLC0415  upwards

        return burnup_of(self, project=project, freq=freq, tz=tz)

    @property
    def plot(self) -> ExportPlot:
        """Pictures with matplotlib: ``data.plot.flow()``, ``data.plot.burnup()``."""
        from asana_jobs_pd._report.export_plot import ExportPlot  # noqa: PLC0415  upwards

        return ExportPlot(self)

    def dictionary(self) -> AsanaDictionary:
        """Return a data dictionary: one row for each column of the frames.

        Returns
        -------
        AsanaDictionary
            A DataFrame that a notebook shows as a page: `resource_type`, `column`, `type` (of a
            custom field Asana's, of others the dtype), `meaning`, `filled` (the share of rows
            with a value), `values` (where there are few, with counts), `projects` (in whose
            tasks a custom field has values) and `same_name` (other fields of that name).
        """
        from asana_jobs_pd._tables.dictionary import dictionary_of  # noqa: PLC0415  upwards

        return dictionary_of(self)

    def to_parquet(self, dest: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write what is loaded as a Parquet dataset, as `asana_export_to_parquet` does.

        `asana_jobs_pd.read_asana_dataset` loads it again, `asana_jobs_pd.sql` queries it.

        Parameters
        ----------
        dest
            The folder. It is there as a whole, or not at all.
        overwrite
            Replace an existing dataset of this package; anything else is never replaced.

        Returns
        -------
        pathlib.Path
            The absolute path of the folder.

        Raises
        ------
        ExportWriteError
            When it exists already or cannot be written.
        InvalidOptionError
            When `dest` is not a local folder, or custom fields were loaded as ``"long"``.
        """
        from asana_jobs_pd._parquet.dataset import write_dataset  # noqa: PLC0415  upwards

        return write_dataset(self, dest, overwrite=overwrite)

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write what is loaded to an Excel file, a sheet for each type of row.

        Gids stay text, lists become text (names, separated by commas), times become UTC without a
        zone, to the millisecond; no text runs as a formula or becomes a link. The issues have a
        sheet, too, and ``About`` explains this.

        Parameters
        ----------
        path
            The file, ``….xlsx``; an existing file is replaced atomically.

        Returns
        -------
        pathlib.Path
            The absolute path of the file.

        Raises
        ------
        MissingExtraError
            When XlsxWriter is not installed.
        InvalidFrameError
            When a frame is larger than a sheet: 1,048,575 rows, 16,384 columns.
        InvalidOptionError
            When the suffix is not ``.xlsx``, or `path` is not a local file in an existing folder.

        Warns
        -----
        AsanaValueWarning
            When a text is longer than 32,767 characters, the limit of a cell: it is cut.
        """
        from asana_jobs_pd._report.export_excel import export_to_excel  # noqa: PLC0415  upwards

        return export_to_excel(self, path)

    def report(self) -> pd.DataFrame:
        """Return what was loaded, one row for each type of row."""
        raise NotImplementedError
