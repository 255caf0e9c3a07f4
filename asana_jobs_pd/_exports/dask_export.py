"""What was found for Dask: lazily computed frames by type of row, and what there is to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from asana_jobs_pd._exports.by_type import ByType
from asana_jobs_pd._exports.export import AsanaExport

if TYPE_CHECKING:
    import dask.dataframe as dd

__all__ = ["AsanaDaskExport", "Counted"]


class Counted(NamedTuple):
    """What is known when everything has been read once more."""

    custom_fields: pd.DataFrame
    issues: pd.DataFrame
    issue_count: int
    summary: pd.DataFrame


class AsanaDaskExport(ByType["dd.DataFrame"]):
    """Dask DataFrames of an export, by `resource_type`; ``read_asana_export(engine="dask")``.

    Their partitions are read from the files when they are computed, on the active
    `dask.distributed` client or whatever scheduler Dask is set to. Computed, they are what the
    pandas engine gives, the index included; divisions are known.

    Attributes
    ----------
    custom_field_values : dask.dataframe.DataFrame or None
        With ``custom_fields="long"``: one row a value; else None. Its index begins anew in each
        partition.
    """

    def __init__(
        self,
        frames: dict[str, dd.DataFrame],
        *,
        custom_fields: pd.DataFrame,
        custom_field_values: dd.DataFrame | None,
        rows: Mapping[str, int],
        count: Callable[[], Counted],
    ) -> None:
        super().__init__(frames)
        self._custom_fields = custom_fields
        self.custom_field_values = custom_field_values
        self._rows = dict(rows)
        self._count = count
        self._counted: Counted | None = None

    @property
    def custom_fields(self) -> pd.DataFrame:
        """The catalogue, as `AsanaExport` has it; `rows` is missing until it is counted."""
        return self._custom_fields if self._counted is None else self._counted.custom_fields

    @property
    def issues(self) -> pd.DataFrame:
        """What did not fit, as `AsanaExport` has it; the first look reads all files once more."""
        return self._all().issues

    @property
    def issue_count(self) -> int:
        """How many issues there are; the first look reads all files once more."""
        return self._all().issue_count

    def report(self) -> pd.DataFrame:
        """Return what there is, one row a type of row, as `AsanaExport.report`.

        The first call reads all files once more, on the cluster; only counts come back.
        """
        return self._all().summary.copy()

    def compute(self) -> AsanaExport:
        """Return everything in memory, as the pandas engine gives it.

        All files are read, and all frames come to this process.
        """
        import dask  # noqa: PLC0415  there, since its frames are

        values = self.custom_field_values
        parts = [*self._frames.values(), *([] if values is None else [values])]
        found = list(dask.compute(*parts))
        long = None if values is None else found.pop().reset_index(drop=True)
        counted = self._all()
        return AsanaExport(
            dict(zip(self._frames, found, strict=True)),
            custom_fields=counted.custom_fields,
            custom_field_values=long,
            issues=counted.issues,
            issue_count=counted.issue_count,
            summary=counted.summary,
        )

    def _all(self) -> Counted:
        if self._counted is None:
            self._counted = self._count()
        return self._counted

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
        return f"{table}<p>{escape('Computed by Dask when asked for.')}</p>"
