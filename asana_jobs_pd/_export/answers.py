"""The methods that answer questions about a loaded export; the rooms above do the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from asana_jobs_pd._export.results import InMemoryExport

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from asana_jobs_pd._tables.dictionary import AsanaDictionary
    from asana_jobs_pd._tables.relations import AsanaTables


class ExportAnswers(InMemoryExport[pd.DataFrame]):
    """The frames and catalogue of an export, with the methods that answer questions about it."""

    def field(
        self, name: str, *, resource_type: str | None = None, merge: bool = False
    ) -> pd.Series:
        """Return a custom field's column.

        Parameters
        ----------
        name
            Its name, its gid, or the name of its column.
        resource_type
            The type of row: ``"task"``, ``"project"``, …; None for tasks, or else the first type
            that has the field. Fields of that name in other types of row are ignored.
        merge
            Whether to combine several fields with this name, which must be of the same type, into
            one column with the first value in each row. Amounts in different currencies are not
            converted.

        Returns
        -------
        pandas.Series
            The column, with its dtype, named as in the frame.

        Raises
        ------
        InvalidFieldError
            If there is no such field, or more than one; the message lists the choices.
        InvalidOptionError
            If custom fields were not loaded as columns.

        See Also
        --------
        AsanaExport.dictionary : All columns, with the fields they come from.

        Examples
        --------
        >>> data.field("Cost").dtype
        Float64Dtype()
        """
        from asana_jobs_pd._tables.fields import field_of  # noqa: PLC0415  upwards

        return field_of(self, name, resource_type=resource_type, merge=merge)

    def tables(self) -> AsanaTables:
        """Return the export as keyed tables, and the relations between them.

        Returns
        -------
        AsanaTables
            A mapping of names to DataFrames, each of which is made when it is accessed.

        Raises
        ------
        InvalidFrameError
            If tasks were loaded or exported without `gid` or `memberships`.
        InvalidOptionError
            If custom fields were not loaded as columns.

        See Also
        --------
        AsanaExport.sql : Query the tables.
        AsanaExport.gaps : What the tables refer to but do not contain.

        Examples
        --------
        >>> tables = data.tables()
        >>> list(tables["task_project"].columns)
        ['task', 'project', 'section']
        """
        from asana_jobs_pd._tables.relations import tables_of  # noqa: PLC0415  upwards

        return tables_of(self)

    def gaps(self) -> pd.DataFrame:
        """Return what the export refers to but does not contain.

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
            As for `tables`.

        See Also
        --------
        AsanaExport.tables : The tables that refer to these objects.

        Examples
        --------
        >>> list(data.gaps().columns)
        ['kind', 'gid', 'name', 'referred_by', 'count', 'why', 'example']
        """
        from asana_jobs_pd._tables.gaps import gaps_of  # noqa: PLC0415  upwards

        return gaps_of(self)

    def sql(self, query: str) -> pd.DataFrame:
        """Return the result of a SQL query over `tables`.

        Parameters
        ----------
        query
            A query in DuckDB's SQL; see `asana_jobs_pd.sql`.

        Returns
        -------
        pandas.DataFrame
            The result.

        See Also
        --------
        AsanaExport.to_duckdb : Write a file for other tools.

        Examples
        --------
        >>> data.sql("select count(*) as tasks from task")["tasks"].tolist() == [len(data["task"])]
        True
        """
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
            If DuckDB is not installed.

        See Also
        --------
        AsanaExport.sql : Query without a file.

        Examples
        --------
        >>> data.to_duckdb("asana.duckdb").name
        'asana.duckdb'
        """
        from asana_jobs_pd._tables.sql import write_duckdb  # noqa: PLC0415  upwards

        return write_duckdb(self, path)

    def dictionary(self) -> AsanaDictionary:
        """Return a data dictionary: one row for each column of the frames.

        Returns
        -------
        AsanaDictionary
            A DataFrame that a notebook shows as a page: `resource_type`, `column`, `type` (for
            custom fields Asana's name, for others in words), `meaning`, `filled` (the share of
            rows with a value), `options` (those of an enum field, or the values if there are few;
            each with its count), `projects` (in whose tasks a custom field has values) and
            `same_name` (other fields with the same name).

        See Also
        --------
        AsanaExport.field : A custom field by name.

        Examples
        --------
        >>> list(data.dictionary().columns[:2])
        ['resource_type', 'column']
        """
        from asana_jobs_pd._tables.dictionary import dictionary_of  # noqa: PLC0415  upwards

        return dictionary_of(self)

    def to_parquet(self, dest: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the loaded export as a Parquet dataset, like that of `asana_export_to_parquet`.

        `asana_jobs_pd.read_asana_dataset` reads it back, and `asana_jobs_pd.sql` queries it.

        Parameters
        ----------
        dest
            The folder, which appears complete or not at all.
        overwrite
            Replace an existing dataset of this package; anything else is never replaced.

        Returns
        -------
        pathlib.Path
            The absolute path of the folder.

        Raises
        ------
        ExportWriteError
            If it already exists or cannot be written.
        InvalidOptionError
            If `dest` is not a local folder.
        InvalidFrameError
            If you have added a column that Parquet cannot store.

        See Also
        --------
        read_asana_dataset : Read it back.
        asana_export_to_parquet : Convert files without loading them.

        Examples
        --------
        >>> data.to_parquet("tasks").name
        'tasks'
        """
        from asana_jobs_pd._parquet.dataset import write_dataset  # noqa: PLC0415  upwards

        return write_dataset(self, dest, overwrite=overwrite)

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write the loaded export to an Excel file with a sheet for each type of row.

        Gids stay text, lists become text (names separated by commas), and times become UTC without
        a zone, to the millisecond. No text runs as a formula or becomes a link. The issues, and
        the values of ``custom_fields="long"``, also have a sheet; ``About`` explains this.

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
            If XlsxWriter is not installed.
        InvalidFrameError
            If a frame is larger than a sheet: 1,048,575 rows, 16,384 columns.
        InvalidOptionError
            If the suffix is not ``.xlsx``, or `path` is not a local file in an existing folder.

        Warns
        -----
        AsanaValueWarning
            If a text is longer than 32,767 characters, the limit of a cell: it is cut.

        See Also
        --------
        AsanaExport.to_parquet : Write without the limits of a sheet.

        Examples
        --------
        >>> data.to_excel("tasks.xlsx").name
        'tasks.xlsx'
        """
        from asana_jobs_pd._report.export_excel import export_to_excel  # noqa: PLC0415  upwards

        return export_to_excel(self, path)
