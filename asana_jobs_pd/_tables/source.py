"""The columns of an export as Arrow arrays, and the references from rows to objects."""

from __future__ import annotations

from typing import Final, NamedTuple

import pandas as pd
import pyarrow as pa

from asana_jobs_pd._decode.scan_result import ReadOptions
from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._export.results import empty_table, to_frame
from asana_jobs_pd._tables.arrays import Items, arrow_column, items_of, missing, texts


class Reference(NamedTuple):
    """A reference from rows of a type to objects of a kind; ``[]`` means the items of a list."""

    resource_type: str
    path: str
    kind: str

    @property
    def label(self) -> str:
        """The name of the reference for users."""
        return f"{self.resource_type}.{self.path.replace('[]', '')}"


REFERENCES: Final = tuple(
    Reference(resource_type, path, kind)
    for kind, places in {
        "task": (
            *("task.parent", "task.dependencies[]", "task.dependents[]"),
            *("task.stories[].task", "task.stories[].dependency", "task.stories[].duplicate_of"),
            *("task.stories[].duplicated_from", "task.stories[].target"),
            "time_tracking_entry.task",
        ),
        "project": (
            *("task.memberships[].project", "task.projects[]", "task.stories[].project"),
            *("section.project", "project_to_portfolio.project", "allocation.parent"),
            "time_tracking_entry.attributable_to",
        ),
        "section": (
            *("task.memberships[].section", "task.assignee_section", "task.stories[].section"),
            *("task.stories[].old_section", "task.stories[].new_section"),
        ),
        "portfolio": (
            *("portfolio_to_portfolio.parent_portfolio", "portfolio_to_portfolio.child_portfolio"),
            "project_to_portfolio.portfolio",
        ),
        "tag": ("task.tags[]", "task.stories[].tag"),
        "person": (
            *("task.assignee", "task.assigned_by", "task.completed_by", "task.created_by"),
            *("task.followers[]", "task.parent.created_by", "task.stories[].created_by"),
            *("task.stories[].assignee", "task.stories[].follower"),
            "task.stories[].story.created_by",
            *("project.owner", "project.members[]", "project.followers[]", "project.completed_by"),
            *("project.current_status.author", "project.current_status.created_by"),
            *("portfolio.owner", "portfolio.members[]", "portfolio.created_by"),
            *(
                f"{above}.current_status_update.{who}"
                for above in ("project", "portfolio")
                for who in ("author", "created_by")
            ),
            *("allocation.assignee", "allocation.created_by", "time_tracking_entry.created_by"),
            *("time_tracking_entry.task.created_by", "team.members[]"),
            *("message.created_by", "message.followers[]"),
        ),
    }.items()
    for resource_type, _, path in (place.partition(".") for place in places)
)
ROWS_OF: Final = {"person": "user", "time_entry": "time_tracking_entry"}
"""Resource types whose tables have another name."""
LINKS: Final = (
    ("portfolio_to_portfolio", "parent_portfolio", "child_portfolio", "portfolio"),
    ("project_to_portfolio", "portfolio", "project", "project"),
)
LINK_TYPES: Final = tuple(resource_type for resource_type, *_ in LINKS)
"""Types of rows without a gid."""


def has_rows(export: ExportAnswers, kind: str) -> bool:
    """Return whether the objects of a kind are rows of the export; tasks always are."""
    return kind == "task" or ROWS_OF.get(kind, kind) in export


class Source:
    """The columns of an export as Arrow arrays; objects without a gid are left out."""

    def __init__(self, export: ExportAnswers) -> None:
        self.export = export
        self._frames: dict[str, pd.DataFrame] = {}
        self._columns: dict[tuple[str, str], pa.ChunkedArray | None] = {}
        self._items: dict[tuple[str, str], Items] = {}

    def rows(self, resource_type: str) -> pd.DataFrame:
        """Return the rows of a type; of one that was not loaded, the documented columns."""
        if resource_type not in self._frames:
            rows = self.export.get(resource_type)
            if rows is None:
                table = empty_table(resource_type, ReadOptions())
                rows = pd.DataFrame() if table is None else self.frame(table)
            if "gid" in rows.columns and resource_type not in LINK_TYPES and rows["gid"].hasnans:
                rows = rows[rows["gid"].notna()]
            self._frames[resource_type] = rows
        return self._frames[resource_type]

    def column(self, resource_type: str, name: str) -> pa.ChunkedArray | None:
        """Return a column; None if there are no such rows or no such column."""
        key = resource_type, name
        if key not in self._columns:
            rows = self.rows(resource_type)
            self._columns[key] = arrow_column(rows, name) if name in rows.columns else None
        return self._columns[key]

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Return a table as a frame with the dtypes of the export."""
        return to_frame(table, self.export.backend)

    def text(self, resource_type: str, name: str) -> pa.ChunkedArray:
        """Return a text column; all missing if it is absent."""
        column = self.column(resource_type, name)
        return missing(len(self.rows(resource_type))) if column is None else column

    def items(self, resource_type: str, name: str) -> Items:
        """Return the items in the lists of a column; none if there is no such column."""
        key = resource_type, name
        if key not in self._items:
            column = self.column(resource_type, name)
            self._items[key] = items_of(missing(0) if column is None else column)
        return self._items[key]

    def referred(self, reference: Reference) -> dict[str, pa.ChunkedArray]:
        """Return references: `gid` and `name` of the object, and `by`, the gid of the row.

        For sections, also `project.gid`, if it is beside them.
        """
        of_rows = self.text(reference.resource_type, "gid")
        name, listed, path = reference.path.partition("[]")
        if not listed:
            gids = self.text(reference.resource_type, f"{name}.gid")
            names = self.text(reference.resource_type, f"{name}.name")
            return {"gid": gids, "name": names, "by": of_rows}
        rows, values = self.items(reference.resource_type, name)
        prefix = f"{path[1:]}." if path else ""
        found = {key: texts(values, prefix + key) for key in ("gid", "name")}
        if reference.kind == "section":
            found["project.gid"] = texts(values, "project.gid")
        return found | {"by": of_rows.take(pa.array(rows)) if len(rows) else missing(0)}
