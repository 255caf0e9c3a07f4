"""`AsanaDaskExport`, the result of loading with Dask: frames that are read when computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from asana_jobs_pd._export.export import AsanaExport, OtherEngine
from asana_jobs_pd._export.results import empty_table, to_frame
from asana_jobs_pd._public import public

if TYPE_CHECKING:
    import dask.dataframe as dd


@public
class AsanaDaskExport(OtherEngine["dd.DataFrame"]):
    """Dask DataFrames of an export, by `resource_type`; ``read_asana_export(engine="dask")``.

    Their partitions are read from the files when they are computed, on the active
    `dask.distributed` client or the scheduler that Dask is set to. Computed, they are the same as
    with the pandas engine, including the index; divisions are known.

    Parameters
    ----------
    frames, custom_fields, rows, count, **shared
        The contents; `read_asana_export` passes them.

    Attributes
    ----------
    custom_field_values : dask.dataframe.DataFrame or None
        With ``custom_fields="long"``, one row per value; otherwise None. The index starts over in
        each partition.
    incomplete_files : list of str
        The files that are damaged or end early.

    See Also
    --------
    AsanaExport : The same in memory.

    Examples
    --------
    >>> lazy = aj.read_asana_export(files, engine="dask")
    >>> len(lazy["task"].compute()) == len(files.asana.load()["task"])
    True
    """

    _remedy = "compute() loads the export"

    def __init__(
        self,
        frames: dict[str, dd.DataFrame],
        *,
        custom_fields: pd.DataFrame,
        rows: Mapping[str, int],
        count: Callable[[], AsanaExport],
        **shared: Any,
    ) -> None:
        super().__init__(frames, **shared)
        self._custom_fields = custom_fields
        self._rows = dict(rows)
        self._count = count

    @property
    def custom_fields(self) -> pd.DataFrame:
        """The catalogue, as in `AsanaExport`; `rows` is missing until it is counted.

        See Also
        --------
        AsanaExport : Has the same catalogue.

        Examples
        --------
        >>> list(lazy.custom_fields.columns[:3])
        ['column', 'gid', 'name']
        """
        is_counted = "_counted" in vars(self)
        return self._counted.custom_fields if is_counted else self._custom_fields

    @property
    def issues(self) -> pd.DataFrame:
        """The issues, as in `AsanaExport.issues`; the first access reads all files once more.

        See Also
        --------
        AsanaDaskExport.issue_count : Their number.

        Examples
        --------
        >>> list(lazy.issues.columns[:3])
        ['file', 'line', 'resource_type']
        """
        return self._counted.issues

    @property
    def issue_count(self) -> int:
        """The number of issues; the first access reads all files once more.

        See Also
        --------
        AsanaDaskExport.issues : The issues.

        Examples
        --------
        >>> lazy.issue_count
        0
        """
        return self._counted.issue_count

    def report(self) -> pd.DataFrame:
        """Return the contents of the export, one row for each type of row.

        The first call reads all files once more, on the cluster; only counts come back.

        Returns
        -------
        pandas.DataFrame
            As `AsanaExport.report`.

        See Also
        --------
        AsanaDaskExport.issues : The values that did not fit.

        Examples
        --------
        >>> list(lazy.report().columns[:2])
        ['rows', 'columns']
        """
        return self._counted.report()

    def compute(self) -> AsanaExport:
        """Return everything in memory, as with the pandas engine.

        All files are read, and all frames come to this process.

        Returns
        -------
        AsanaExport
            All frames, with the catalogue and the issues.

        See Also
        --------
        read_asana_export : Load into memory at once.

        Examples
        --------
        >>> lazy.compute()
        <AsanaExport: ...>
        """
        import dask  # noqa: PLC0415  there, since its frames are

        values = self.custom_field_values
        parts = [*self._frames.values(), *([] if values is None else [values])]
        found = list(dask.compute(*parts))
        long = None if values is None else found.pop().reset_index(drop=True)
        counted = self._counted
        return AsanaExport(
            dict(zip(self._frames, found, strict=True)),
            custom_fields=counted.custom_fields,
            custom_field_values=long,
            issues=counted.issues,
            issue_count=counted.issue_count,
            summary=counted.report(),
            incomplete_files=self.incomplete_files,
            options=self._options,
            backend=self.backend,
        )

    def _without_rows(self, resource_type: str) -> dd.DataFrame | None:
        import dask.dataframe as dd  # noqa: PLC0415  there, since its frames are

        table = empty_table(resource_type, self._options)
        if table is None:
            return None
        return dd.from_pandas(to_frame(table, self.backend), npartitions=1)

    @cached_property
    def _counted(self) -> AsanaExport:
        """The export without frames, known once all files have been read again."""
        return self._count()

    def __repr__(self) -> str:
        words = ", ".join(
            f"{name} {self._rows[name]:,} x {len(frame.columns)} in {frame.npartitions}"
            for name, frame in self._frames.items()
        )
        return f"<AsanaDaskExport: {words or 'no rows'}>"

    def _repr_html_(self) -> str:
        index = pd.Index(list(self._frames), name="resource_type")
        columns = {
            "rows": [self._rows[name] for name in self._frames],
            "columns": [len(frame.columns) for frame in self._frames.values()],
            "partitions": [frame.npartitions for frame in self._frames.values()],
        }
        table = pd.DataFrame(columns, index=index).to_html(escape=True)
        return f"{table}<p>Computed by Dask when asked for.</p>"
