"""A frame of jobs as a table for a terminal: short, and safe to print."""

from __future__ import annotations

import shutil

import pandas as pd

from asana_jobs_pd._api.redact import SUSPECT, clean, hide_query, may_hold_secret, redact
from asana_jobs_pd._jobs.states import kinds_of
from asana_jobs_pd._texts import change_texts, each_column

__all__ = ["masked", "overview", "render"]

WIDEST, NARROWEST = 60, 16
WHOLE = ("gid", "job", "parent", "source")
_ELLIPSIS = "…"


def overview(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that tell most: gid, kind, status, what was created, what went wrong."""
    table = pd.DataFrame({"gid": jobs["gid"]})
    for label, column in (("kind", "resource_subtype"), ("status", "status")):
        if column in jobs.columns:
            table[label] = jobs[column]
    created = pd.Series(pd.NA, jobs.index, "string")
    for kind in kinds_of(jobs):
        for leaf in ("name", "gid"):
            if (column := f"new_{kind}.{leaf}") in jobs.columns:
                words = kind.replace("_", " ") + " " + jobs[column].astype("string")
                created = created.fillna(words)
    table["created"] = created
    status = jobs["error.status"].astype("string") + " "
    table["error"] = status.fillna("") + jobs["error.message"].astype("string")
    return table.dropna(axis=1, how="all")


def masked(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which signed URLs have lost what makes them a credential.

    Those in ``download_url`` columns lose their query. Other texts, which Asana or a person may
    have put one into, are left as they are unless there is a signature or a token in them.
    """
    return each_column(jobs, _masked)


def _masked(column: pd.Series) -> pd.Series:
    if str(column.name).endswith("download_url"):
        return change_texts(column, "[?#@]", hide_query)
    return change_texts(column, SUSPECT, _hide)


def _hide(text: str) -> str:
    return redact(text) if may_hold_secret(text) else text


def render(table: pd.DataFrame, *, index: bool = False, width: int | None = None) -> str:
    """Return a frame as lines of text, without control characters, fitted to the terminal.

    Columns of gids are never cut: half a gid is none.
    """
    frame = table.reset_index() if index else table
    columns = [[str(name), *map(_cell, frame[name])] for name in frame.columns]
    right = [pd.api.types.is_numeric_dtype(frame[name].dtype) for name in frame.columns]
    widths = [max(map(len, column)) for column in columns]
    room = (width or shutil.get_terminal_size((120, 24)).columns) - 2 * len(widths)
    flexible = [place for place, name in enumerate(frame.columns) if name not in WHOLE]
    while sum(widths) > room and flexible:
        widest = max(flexible, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    lines = []
    for cells in zip(*columns, strict=True):
        fitted = [
            _fit(cell, size, right=is_right)
            for cell, size, is_right in zip(cells, widths, right, strict=True)
        ]
        lines.append("  ".join(fitted).rstrip())
    return "\n".join(lines)


def _cell(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return "–"  # noqa: RUF001  a dash, as tables have
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return clean(str(value), limit=WIDEST)


def _fit(cell: str, size: int, *, right: bool) -> str:
    if len(cell) > size:
        cell = cell[: size - 1] + _ELLIPSIS
    return cell.rjust(size) if right else cell.ljust(size)
