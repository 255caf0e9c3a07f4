"""The questions people have of a comparison: closed, moved, rescheduled, reassigned. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pandas as pd

from asana_jobs_pd._exports.frames import TEXT

__all__ = ["finished", "moves", "reassignments", "reschedules"]

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
