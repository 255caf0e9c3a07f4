"""What was loaded: frames by type of row, and what there is to know about them."""

from __future__ import annotations

from html import escape

import pandas as pd

from asana_jobs_pd._exports.by_type import ByType

__all__ = ["AsanaExport"]


class AsanaExport(ByType[pd.DataFrame]):
    """The DataFrames of an export, by `resource_type`; made by `read_asana_export`.

    Attributes
    ----------
    custom_fields : pandas.DataFrame
        The catalogue: one row a custom field over all types of row, in the order in which they
        came first. `column`, `gid`, `name`, `type`, `representation_type`, `precision`,
        `format`, `currency_code`, `options` (of an enum, in Asana's order) and `rows`, the number
        of rows with a value.
    custom_field_values : pandas.DataFrame or None
        With ``custom_fields="long"``: one row a value; else None.
    issues : pandas.DataFrame
        What did not fit and became missing, lines that were left out, custom fields that changed:
        `file`, `line` (from 1), `resource_type`, `gid`, `column`, `value`, `reason`. The first
        10,000; `issue_count` counts all.
    issue_count : int
        How many issues there are.
    """

    def __init__(
        self,
        frames: dict[str, pd.DataFrame],
        *,
        custom_fields: pd.DataFrame,
        custom_field_values: pd.DataFrame | None = None,
        issues: pd.DataFrame,
        issue_count: int,
        summary: pd.DataFrame,
    ) -> None:
        super().__init__(frames)
        self.custom_fields = custom_fields
        self.custom_field_values = custom_field_values
        self.issues = issues
        self.issue_count = issue_count
        self._summary = summary

    def report(self) -> pd.DataFrame:
        """Return what was loaded, one row a type of row.

        Returns
        -------
        pandas.DataFrame
            Indexed by `resource_type`: `rows`, `columns`, `duplicates` (repeated rows that were
            dropped, the last of each kept), `issues`; `as_of.from` and `as_of.to`, the time in
            which Asana wrote the export, when it was loaded through a frame of jobs; and
            `latest`, the latest `modified_at` or `created_at` in the rows.
        """
        return self._summary.copy()

    def __repr__(self) -> str:
        rows = ", ".join(
            f"{name} {len(frame):,} x {frame.shape[1]}" for name, frame in self._frames.items()
        )
        return f"<AsanaExport: {rows or 'no rows'}; {self._issues()}>"

    def _repr_html_(self) -> str:
        return f"{self._summary.to_html(escape=True)}<p>{escape(self._issues())}</p>"

    def _issues(self) -> str:
        if not self.issue_count:
            return "no issues"
        return f"{self.issue_count:,} issue{'s' * (self.issue_count > 1)}, see .issues"
