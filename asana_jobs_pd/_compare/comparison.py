"""The result of a comparison: changes by resource type, and views of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from asana_jobs_pd._export.by_type import ByType
from asana_jobs_pd._export.export import TEXT
from asana_jobs_pd._public import public

if TYPE_CHECKING:
    import os
    from pathlib import Path

_DATES = ("due_on", "due_at", "start_on", "start_at")
_ID = ["resource_type", "gid", "name"]
_MOVES = ("added", "removed", "section")
_MOVED = [
    *_ID, "move", "project.gid", "project.name", "section.before", "section.after",
]  # fmt: skip


def _changed_cells(frames: Mapping[str, pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the changed cells of these columns over all resource types."""
    empty = pd.DataFrame(
        {name: pd.Series([], dtype=TEXT) for name in (*_ID, "column", "before", "after")}
    )
    parts = [empty]
    for name, frame in frames.items():
        cells = frame[frame["column"].isin(columns).to_numpy(bool)]
        if len(cells):
            parts.append(cells.assign(resource_type=pd.Series(name, cells.index, TEXT))[[*empty]])
    return pd.concat(parts, ignore_index=True)


def _completions(frames: Mapping[str, pd.DataFrame], after: str) -> pd.DataFrame:
    """Return the objects that became complete (``"true"``) or incomplete (``"false"``)."""
    cells = _changed_cells(frames, ("completed", "completed_at"))
    rows = cells[(cells["column"] == "completed") & (cells["after"] == after)][_ID]
    times = cells[cells["column"] == "completed_at"].rename(
        columns={"after" if after == "true" else "before": "completed_at"}
    )
    merged = rows.merge(times[["resource_type", "gid", "completed_at"]], "left")
    return merged.assign(completed_at=_times(merged["completed_at"]))


def _reschedules(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    cells = _changed_cells(frames, _DATES)
    cells["before"], cells["after"] = _times(cells["before"]), _times(cells["after"])
    seconds = (cells["after"] - cells["before"]).dt.total_seconds()
    return cells.assign(days=(seconds / 86_400).astype("Float64"))


def _reassignments(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    cells = _changed_cells(frames, ("assignee.gid", "assignee.name"))
    by_leaf = {leaf: cells[cells["column"] == f"assignee.{leaf}"] for leaf in ("gid", "name")}
    rows = by_leaf["gid"].drop(columns="column")
    rows = rows.rename(columns={"before": "before.gid", "after": "after.gid"})
    names = by_leaf["name"].rename(columns={"before": "before.name", "after": "after.name"})
    merged = rows.merge(names[["resource_type", "gid", "before.name", "after.name"]], "left")
    return merged[[*_ID, "before.gid", "before.name", "after.gid", "after.name"]]


class _Membership(NamedTuple):
    """A task's place in a project."""

    project: str | None
    section_gid: str | None
    section: str | None


def _moves(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    cells = _changed_cells(frames, ("memberships", "projects"))
    with_memberships = set(
        zip(*(cells.loc[cells["column"] == "memberships", key] for key in _ID[:2]), strict=True)
    )
    rows = [
        (cell.resource_type, cell.gid, cell.name, *move)
        for cell in cells.itertuples(index=False)
        if cell.column == "memberships" or (cell.resource_type, cell.gid) not in with_memberships
        for move in _moves_of_task(_memberships(cell.before), _memberships(cell.after))
    ]
    frame = pd.DataFrame(rows, columns=_MOVED, dtype=object).astype(TEXT)
    return frame.assign(move=frame["move"].astype(pd.CategoricalDtype(list(_MOVES))))


def _memberships(text: Any) -> dict[str, _Membership]:
    """Return memberships by the gid of the project, from the JSON of a cell."""
    memberships = {}
    for item in orjson.loads(text) if isinstance(text, str) else ():
        project = item.get("project", item) or {}
        section = item.get("section") or {}
        if isinstance(project.get("gid"), str):
            memberships[project["gid"]] = _Membership(
                project.get("name"), section.get("gid"), section.get("name")
            )
    return memberships


def _moves_of_task(
    before: dict[str, _Membership], after: dict[str, _Membership]
) -> Iterator[tuple[str, str, str | None, str | None, str | None]]:
    for gid in [gid for gid in before if gid not in after]:
        yield "removed", gid, before[gid].project, before[gid].section, None
    for gid, new in after.items():
        if gid not in before:
            yield "added", gid, new.project, None, new.section
        elif before[gid].section_gid != new.section_gid:
            yield "section", gid, new.project, before[gid].section, new.section


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, utc=True, format="ISO8601").dt.as_unit("us")


@public
class ExportComparison(ByType[pd.DataFrame]):
    """Added, removed and changed objects by `resource_type`; returned by `compare_asana_exports`.

    Each frame has one row per object that was added or removed, and one per cell that changed:

    - `gid`, `name`: the object, as the new export calls it;
    - `change`: ``"added"``, ``"removed"`` or ``"changed"``, a category;
    - `column`: the column of a changed cell, as the new export calls it; missing for added and
      removed objects;
    - `before`, `after`: as text, whatever the dtype: dates and times in ISO 8601 (UTC), numbers in
      their shortest form, ``true`` and ``false``, lists as JSON; missing where there was no value.
      For added and removed rows without a gid (links), their content as JSON.

    All columns but `change` are `string`. Added rows come first, in the order of the new export;
    then removed rows in the order of the old one; then changed cells in the order of the new one.

    Parameters
    ----------
    frames, unchanged, custom_fields
        What was compared; `compare_asana_exports` makes it.

    Attributes
    ----------
    custom_fields : pandas.DataFrame
        The same for the definitions of custom fields: a new name, another type, other options.
        Empty unless both inputs have a catalogue.

    See Also
    --------
    compare_asana_exports : Compare two exports.

    Examples
    --------
    >>> diff = aj.compare_asana_exports(data, data)
    >>> len(diff["task"])
    0

    Numbers are text like everything else; this is by how much costs have changed:

    >>> cost = diff["task"].query("column == 'custom_fields.Cost'")[["before", "after"]]
    >>> float(cost.astype("Float64").diff(axis="columns")["after"].sum())
    0.0
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
        """Objects that were completed: `resource_type`, `gid`, `name`, `completed_at`.

        See Also
        --------
        ExportComparison.reopened : The other way round.

        Examples
        --------
        >>> list(diff.closed.columns)
        ['resource_type', 'gid', 'name', 'completed_at']
        """
        return _completions(self._frames, "true")

    @property
    def reopened(self) -> pd.DataFrame:
        """Objects no longer completed; as `closed`, with the earlier `completed_at`.

        See Also
        --------
        ExportComparison.closed : The other way round.

        Examples
        --------
        >>> diff.reopened.empty
        True
        """
        return _completions(self._frames, "false")

    @property
    def moved(self) -> pd.DataFrame:
        """Tasks that changed project or section, one row per project.

        `gid`, `name`, `move` (a category: ``"added"`` to the project, ``"removed"`` from it, or
        ``"section"``), `project.gid`, `project.name`, `section.before`, `section.after`. Without
        `memberships` in the export, `projects` is used and sections are missing.

        See Also
        --------
        ExportComparison.reassigned : Objects with another assignee.

        Examples
        --------
        >>> diff.moved.empty
        True
        """
        return _moves(self._frames)

    @property
    def rescheduled(self) -> pd.DataFrame:
        """Changed dates: one row per changed `due_on`, `due_at`, `start_on` or `start_at`.

        `resource_type`, `gid`, `name`, `column`, `before` and `after` as `datetime64[us, UTC]`
        (dates at midnight), and the `days` between them, `Float64`; missing if either is.

        See Also
        --------
        ExportComparison.moved : Tasks in another project or section.

        Examples
        --------
        >>> diff.rescheduled.empty
        True
        """
        return _reschedules(self._frames)

    @property
    def reassigned(self) -> pd.DataFrame:
        """Objects with another assignee.

        `resource_type`, `gid`, `name`, `before.gid`, `before.name`, `after.gid`, `after.name`.

        See Also
        --------
        ExportComparison.rescheduled : Changed dates.

        Examples
        --------
        >>> diff.reassigned.empty
        True
        """
        return _reassignments(self._frames)

    def summary(self) -> pd.DataFrame:
        """Return the number of changes, one row per resource type.

        Returns
        -------
        pandas.DataFrame
            Indexed by `resource_type`, all `int64`: `added`, `removed`, `changed` and `unchanged`
            objects; of the changed ones, `closed`, `reopened`, `moved`, `rescheduled` and
            `reassigned`. With ``partial=True``, objects that only the old export has count as
            unchanged.

        See Also
        --------
        ExportComparison.columns_changed : The changes by column.

        Examples
        --------
        >>> list(diff.summary().columns[:4])
        ['added', 'removed', 'changed', 'unchanged']
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
        """Return the number of changed cells per column, most frequent first in each type.

        Returns
        -------
        pandas.DataFrame
            `resource_type`, `column`, `changes` (`int64`).

        See Also
        --------
        ExportComparison.summary : The changes by type of row.

        Examples
        --------
        >>> list(diff.columns_changed().columns)
        ['resource_type', 'column', 'changes']
        """
        counts = [
            (name, column, count)
            for name, frame in self._frames.items()
            for column, count in frame["column"].value_counts().items()
        ]
        frame = pd.DataFrame(counts, columns=["resource_type", "column", "changes"])
        return frame.astype({"resource_type": TEXT, "column": TEXT, "changes": np.int64})

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write the comparison to an Excel file, as `frames_to_excel` does.

        The sheets are ``summary``; ``closed``, ``reopened``, ``moved``, ``rescheduled`` and
        ``reassigned``; the changes of each type of row; and ``custom_fields``. All but the
        first are left out where nothing changed. The changes of a type are those that people
        read: without stories, gids that have a name beside them, and what ``moved`` has.
        ``frames_to_excel(diff, path)`` writes every cell.

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
            When there are more changes than a sheet has rows.
        InvalidOptionError
            When the suffix is not ``.xlsx``, or `path` is not a local file in an existing folder.

        Warns
        -----
        AsanaValueWarning
            When a text is longer than 32,767 characters, the limit of a cell: it is cut.

        See Also
        --------
        frames_to_excel : Write any frames.

        Examples
        --------
        >>> diff.to_excel("changes.xlsx").name
        'changes.xlsx'
        """
        from asana_jobs_pd._report.export_excel import comparison_to_excel  # noqa: PLC0415  upwards

        return comparison_to_excel(self, path)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{name} +{_objects(frame, 'added'):,} -{_objects(frame, 'removed'):,} "
            f"~{_objects(frame, 'changed'):,}"
            for name, frame in self._frames.items()
        )
        return f"<ExportComparison: {counts or 'nothing to compare'}>"

    def _repr_html_(self) -> str:
        fields = self.custom_fields["gid"].nunique()
        note = f"{fields} custom field{'s' * (fields != 1)} differ{'s' * (fields == 1)}"
        return f"{self.summary().to_html(escape=True)}<p>{escape(note)}, see .custom_fields</p>"


def _objects(frame: pd.DataFrame, change: str) -> int:
    rows = frame[frame["change"] == change]
    return int(rows["gid"].nunique()) if change == "changed" else len(rows)
