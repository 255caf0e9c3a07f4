"""`ExportComparison`: the changes by resource type, and views of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd

from asana_jobs_pd._export.results import TEXT, ByType
from asana_jobs_pd._public import public

if TYPE_CHECKING:
    import os
    from pathlib import Path

_ID = ["resource_type", "gid", "name"]
_CELL = ["gid", "name", "column", "before", "after"]
_MOVES = ("added", "removed", "section")
_MOVED = [
    *_ID, "move", "project.gid", "project.name", "section.before", "section.after",
]  # fmt: skip


def _beside(
    rows: pd.DataFrame, cells: pd.DataFrame, column: str, names: dict[str, str]
) -> pd.DataFrame:
    """Add the values of another changed column of the same objects, renamed by `names`."""
    others = cells[cells["column"] == column].rename(columns=names)
    return rows.merge(others[["resource_type", "gid", *names.values()]], "left")


def _times(texts: pd.Series) -> pd.Series:
    """Return texts in ISO 8601 as times of any year; other texts become missing."""
    iso = texts.str.extract(r"^(\d{4}-\d\d-\d\d(?:T[\d:.]+)?)Z?$", expand=False)
    times = np.array([None if pd.isna(text) else text for text in iso], "M8[us]")
    return pd.Series(times, texts.index).dt.tz_localize("UTC")


class _Object(msgspec.Struct):
    gid: str | None = None
    name: str | None = None


class _Membership(_Object):
    """An item of `memberships`, or of `projects`, which has the project's own gid and name."""

    project: _Object | None = None
    section: _Object | None = None


def _memberships(text: str) -> dict[str, tuple[_Object, _Object]]:
    """Return the project and section of each membership, by the project's gid."""
    items = msgspec.json.decode(text, type=list[_Membership | None])
    memberships = {}
    for item in filter(None, items):
        project = item.project or item
        if project.gid is not None:
            memberships[project.gid] = project, item.section or _Object()
    return memberships


def _moves(
    before: str, after: str
) -> Iterator[tuple[str, str, str | None, str | None, str | None]]:
    """Yield the moves of a task, from its memberships or projects as JSON."""
    try:
        old, new = _memberships(before), _memberships(after)
    except msgspec.MsgspecError:  # not JSON: the frame may come from a CSV file
        return
    for gid in [gid for gid in old if gid not in new]:
        project, section = old[gid]
        yield "removed", gid, project.name, section.name, None
    for gid, (project, section) in new.items():
        if gid not in old:
            yield "added", gid, project.name, None, section.name
        elif old[gid][1].gid != section.gid:
            yield "section", gid, project.name, old[gid][1].name, section.name


@public
class ExportComparison(ByType[pd.DataFrame]):
    """Added, removed and changed objects by `resource_type`; returned by `compare_asana_exports`.

    Each frame has one row per object that was added or removed, and one per cell that changed:

    - `gid`, `name`: the object, with its name in the new export;
    - `change`: ``"added"``, ``"removed"`` or ``"changed"``, a category;
    - `column`: the column of a changed cell, with its name in the new export; missing for added
      and removed objects;
    - `before`, `after`: text, whatever the dtype: dates and times in ISO 8601 (UTC), numbers in
      their shortest form, ``true`` and ``false``, lists as JSON; missing if there was no value.
      For added and removed rows without a gid (links), their content as JSON.

    All columns but `change` are `string`. Added rows come first, in the order of the new export;
    then removed rows in the order of the old one; then changed cells in the order of the new one.

    Parameters
    ----------
    frames, unchanged, custom_fields
        The results of the comparison; `compare_asana_exports` passes them.

    Attributes
    ----------
    custom_fields : pandas.DataFrame
        The changes in the definitions of custom fields, in the same form: a new name, another
        type, other options. Empty unless both inputs have a catalogue.

    See Also
    --------
    compare_asana_exports : Compare two exports.

    Examples
    --------
    >>> diff = aj.compare_asana_exports(data, data)
    >>> len(diff["task"])
    0

    Numbers are text like everything else; this is how much the costs have changed:

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
        return self._completions("true", "after")

    @property
    def reopened(self) -> pd.DataFrame:
        """Objects that are no longer completed; like `closed`, with the earlier `completed_at`.

        See Also
        --------
        ExportComparison.closed : The other way round.

        Examples
        --------
        >>> diff.reopened.empty
        True
        """
        return self._completions("false", "before")

    @property
    def moved(self) -> pd.DataFrame:
        """Tasks that changed project or section, one row per project.

        `resource_type`, `gid`, `name`, `move` (a category: ``"added"`` to the project,
        ``"removed"`` from it, or ``"section"``), `project.gid`, `project.name`, `section.before`,
        `section.after`. Without `memberships` in the export, `projects` is used and sections are
        missing.

        See Also
        --------
        ExportComparison.reassigned : Objects with another assignee.

        Examples
        --------
        >>> diff.moved.empty
        True
        """
        cells = self._cells("memberships", "projects")
        both = cells.duplicated(["resource_type", "gid"], keep=False)
        cells = cells[~both | (cells["column"] == "memberships")]
        cells = cells.fillna({"before": "[]", "after": "[]"})
        moves = [
            (*task, *move)
            for *task, _column, before, after in cells.itertuples(index=False, name=None)
            for move in _moves(before, after)
        ]
        frame = pd.DataFrame(moves, columns=_MOVED, dtype=object).astype(TEXT)
        return frame.assign(move=frame["move"].astype(pd.CategoricalDtype(list(_MOVES))))

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
        cells = self._cells("due_on", "due_at", "start_on", "start_at")
        before, after = _times(cells["before"]), _times(cells["after"])
        days = ((after - before).dt.total_seconds() / 86_400).astype("Float64")
        return cells.assign(before=before, after=after, days=days)

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
        cells = self._cells("assignee.gid", "assignee.name")
        rows = cells[cells["column"] == "assignee.gid"][_ID]
        for leaf in ("gid", "name"):
            names = {when: f"{when}.{leaf}" for when in ("before", "after")}
            rows = _beside(rows, cells, f"assignee.{leaf}", names)
        return rows[[*_ID, "before.gid", "before.name", "after.gid", "after.name"]]

    def _completions(self, completed: str, when: str) -> pd.DataFrame:
        cells = self._cells("completed", "completed_at")
        rows = cells[(cells["column"] == "completed") & (cells["after"] == completed)][_ID]
        rows = _beside(rows, cells, "completed_at", {when: "completed_at"})
        return rows.assign(completed_at=_times(rows["completed_at"]))

    def _cells(self, *columns: str) -> pd.DataFrame:
        """Return the changed cells of these columns in all types of rows."""
        cells = {"": pd.DataFrame(columns=_CELL, dtype=TEXT)} | {
            name: frame.loc[frame["column"].isin(columns), _CELL]
            for name, frame in self._frames.items()
        }
        found = pd.concat(cells, names=["resource_type"]).reset_index("resource_type")
        found = found.astype({"resource_type": TEXT}).reset_index(drop=True)
        return found[[*_ID, "column", "before", "after"]]

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
        first are left out if nothing changed. The changes of a type are limited to what people
        read: they omit stories, gids that have a name beside them, and what ``moved`` shows.
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
            If XlsxWriter is not installed.
        InvalidFrameError
            If there are more changes than a sheet has rows.
        InvalidOptionError
            If the suffix is not ``.xlsx``, or `path` is not a local file in an existing folder.

        Warns
        -----
        AsanaValueWarning
            If a text is longer than 32,767 characters, the limit of a cell: it is cut.

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
