"""What is different between two exports: frames by type of row, and the questions people have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
import orjson
import pandas as pd

from asana_jobs_pd._export.export import TEXT, ByType
from asana_jobs_pd._public import public

__all__ = ["ExportComparison", "finished", "moves", "reassignments", "reschedules"]

_DATES = ("due_on", "due_at", "start_on", "start_at")
_ID = ["resource_type", "gid", "name"]
_MOVES = ("added", "removed", "section")
_MOVED = [
    *_ID, "move", "project.gid", "project.name", "section.before", "section.after",
]  # fmt: skip


def _cells(frames: Mapping[str, pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the changed cells of these columns over all types of row."""
    head = pd.DataFrame(
        {name: pd.Series([], dtype=TEXT) for name in (*_ID, "column", "before", "after")}
    )
    parts = [head]
    for name, frame in frames.items():
        some = frame[frame["column"].isin(columns).to_numpy(bool)]
        if len(some):
            parts.append(some.assign(resource_type=pd.Series(name, some.index, TEXT))[[*head]])
    return pd.concat(parts, ignore_index=True)


def finished(frames: Mapping[str, pd.DataFrame], after: str) -> pd.DataFrame:
    """Return what has become complete (``"true"``), or no longer is (``"false"``)."""
    cells = _cells(frames, ("completed", "completed_at"))
    rows = cells[(cells["column"] == "completed") & (cells["after"] == after)][_ID]
    times = cells[cells["column"] == "completed_at"].rename(
        columns={"after" if after == "true" else "before": "completed_at"}
    )
    whole = rows.merge(times[["resource_type", "gid", "completed_at"]], "left")
    return whole.assign(completed_at=_times(whole["completed_at"]))


def reschedules(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what has other dates."""
    cells = _cells(frames, _DATES)
    cells["before"], cells["after"] = _times(cells["before"]), _times(cells["after"])
    seconds = (cells["after"] - cells["before"]).dt.total_seconds()
    return cells.assign(days=(seconds / 86_400).astype("Float64"))


def reassignments(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what has another assignee."""
    cells = _cells(frames, ("assignee.gid", "assignee.name"))
    parts = {leaf: cells[cells["column"] == f"assignee.{leaf}"] for leaf in ("gid", "name")}
    rows = parts["gid"].drop(columns="column")
    rows = rows.rename(columns={"before": "before.gid", "after": "after.gid"})
    names = parts["name"].rename(columns={"before": "before.name", "after": "after.name"})
    whole = rows.merge(names[["resource_type", "gid", "before.name", "after.name"]], "left")
    return whole[[*_ID, "before.gid", "before.name", "after.gid", "after.name"]]


def moves(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what is in another project or section."""
    cells = _cells(frames, ("memberships", "projects"))
    told = set(
        zip(*(cells.loc[cells["column"] == "memberships", key] for key in _ID[:2]), strict=True)
    )
    rows = [
        (cell.resource_type, cell.gid, cell.name, *move)
        for cell in cells.itertuples(index=False)
        if cell.column == "memberships" or (cell.resource_type, cell.gid) not in told
        for move in _moves(_places(cell.before), _places(cell.after))
    ]
    frame = pd.DataFrame(rows, columns=_MOVED, dtype=object).astype(TEXT)
    return frame.assign(move=frame["move"].astype(pd.CategoricalDtype(list(_MOVES))))


def _places(text: Any) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Return name of project, gid and name of section by the project's gid."""
    found = {}
    for item in orjson.loads(text) if isinstance(text, str) else ():
        project = item.get("project", item) or {}
        section = item.get("section") or {}
        if isinstance(project.get("gid"), str):
            place = (project.get("name"), section.get("gid"), section.get("name"))
            found[project["gid"]] = place
    return found


def _moves(
    before: dict[str, tuple[str | None, str | None, str | None]],
    after: dict[str, tuple[str | None, str | None, str | None]],
) -> Iterator[tuple[str, str, str | None, str | None, str | None]]:
    for gid in [gid for gid in before if gid not in after]:
        yield "removed", gid, before[gid][0], before[gid][2], None
    for gid, (name, section, section_name) in after.items():
        if gid not in before:
            yield "added", gid, name, None, section_name
        elif before[gid][1] != section:
            yield "section", gid, name, before[gid][2], section_name


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, utc=True, format="ISO8601").dt.as_unit("us")


@public
class ExportComparison(ByType[pd.DataFrame]):
    """What was added, removed and changed, by `resource_type`; made by `compare_asana_exports`.

    Each frame has a row for each object that was added or removed, and for each cell that changed:

    - `gid`, `name`: the object, as the new export calls it;
    - `change`: ``"added"``, ``"removed"`` or ``"changed"``, a category;
    - `column`: of a changed cell, as the new export calls it; missing for added and removed;
    - `before`, `after`: as text, whatever the dtype: times in ISO 8601 (UTC), numbers in their
      shortest form, ``true`` and ``false``, lists as JSON; missing where nothing was. Of a row
      without a gid, a link, all that it says, as JSON.

    All but `change` are `string`. Added rows come first, in the order of the new export, then the
    removed ones in that of the old one, then the changed ones in that of the new.

    Attributes
    ----------
    custom_fields : pandas.DataFrame
        The same for the definitions of custom fields, matched by gid: a new name, another type,
        other options. Empty when neither side has a catalogue.
    """

    _absent = "is in neither export"

    def __init__(
        self,
        frames: dict[str, pd.DataFrame],
        unchanged: Mapping[str, int],
        custom_fields: pd.DataFrame,
    ) -> None:
        super().__init__(frames)
        self._unchanged = dict(unchanged)
        self.custom_fields = custom_fields

    @property
    def closed(self) -> pd.DataFrame:
        """What was completed in between: `resource_type`, `gid`, `name`, `completed_at`."""
        return finished(self._frames, "true")

    @property
    def reopened(self) -> pd.DataFrame:
        """What was completed and no longer is; as `closed`, with the earlier `completed_at`."""
        return finished(self._frames, "false")

    @property
    def moved(self) -> pd.DataFrame:
        """Tasks in another project or section, one row a project.

        `gid`, `name`, `move` (a category: ``"added"`` to the project, ``"removed"`` from it, or
        ``"section"``), `project.gid`, `project.name`, `section.before`, `section.after`. Where an
        export has no `memberships`, `projects` says it, and sections are missing.
        """
        return moves(self._frames)

    @property
    def rescheduled(self) -> pd.DataFrame:
        """What has other dates: one row a column of `due_on`, `due_at`, `start_on`, `start_at`.

        `resource_type`, `gid`, `name`, `column`, `before` and `after` as `datetime64[us, UTC]`
        (dates at midnight), and `days` between them, `Float64`; missing where one is.
        """
        return reschedules(self._frames)

    @property
    def reassigned(self) -> pd.DataFrame:
        """What has another assignee.

        `resource_type`, `gid`, `name`, `before.gid`, `before.name`, `after.gid`, `after.name`.
        """
        return reassignments(self._frames)

    def summary(self) -> pd.DataFrame:
        """Return how much is different, one row a type of row.

        Returns
        -------
        pandas.DataFrame
            Indexed by `resource_type`, all `int64`: `added`, `removed`, `changed`, `unchanged`
            objects; of those that changed, `closed`, `reopened`, `moved`, `rescheduled`,
            `reassigned`.
        """
        names = list(self._frames)
        index = pd.Index(names, name="resource_type", dtype=TEXT)
        columns = {
            change: [_objects(frame, change) for frame in self._frames.values()]
            for change in ("added", "removed", "changed")
        }
        columns["unchanged"] = [self._unchanged.get(name, 0) for name in names]
        for view in ("closed", "reopened", "moved", "rescheduled", "reassigned"):
            gids = getattr(self, view).drop_duplicates(["resource_type", "gid"])
            counts = gids["resource_type"].value_counts()
            columns[view] = [int(counts.get(name, 0)) for name in names]
        return pd.DataFrame(columns, index=index).astype(np.int64)

    def columns_changed(self) -> pd.DataFrame:
        """Return how many cells changed in each column, the most first in each type of row.

        Returns
        -------
        pandas.DataFrame
            `resource_type`, `column`, `changes` (`int64`).
        """
        counts = [
            (name, column, count)
            for name, frame in self._frames.items()
            for column, count in frame["column"].value_counts().items()
        ]
        found = pd.DataFrame(counts, columns=["resource_type", "column", "changes"])
        return found.astype({"resource_type": TEXT, "column": TEXT, "changes": np.int64})

    def __repr__(self) -> str:
        words = ", ".join(
            f"{name} +{_objects(frame, 'added'):,} -{_objects(frame, 'removed'):,} "
            f"~{_objects(frame, 'changed'):,}"
            for name, frame in self._frames.items()
        )
        return f"<ExportComparison: {words or 'nothing to compare'}>"

    def _repr_html_(self) -> str:
        fields = self.custom_fields["gid"].nunique()
        words = f"{fields} custom field{'s' * (fields != 1)} differ{'s' * (fields == 1)}"
        return f"{self.summary().to_html(escape=True)}<p>{escape(words)}, see .custom_fields</p>"


def _objects(frame: pd.DataFrame, change: str) -> int:
    rows = frame[frame["change"] == change]
    return int(rows["gid"].nunique()) if change == "changed" else len(rows)
