"""Durations, cumulative flow and burn-up, from the history of tasks."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._tables.history import history_of
from asana_jobs_pd._tables.relations import tables_of
from asana_jobs_pd.errors import InvalidFieldError, InvalidFrameError, InvalidOptionError

_DAY: Final = pd.Timedelta(days=1)


def time_in_of(export: ExportAnswers, field: str, *, until: str = "completion") -> pd.DataFrame:
    """Return how long each task had each value of a field."""
    if until not in ("completion", "export"):
        raise InvalidOptionError(f"until={until!r}: give 'completion' or 'export'.")
    history = history_of(export, field)
    keys = [name for name in ("task", "project", "value") if name in history.columns]
    end = history["to"].fillna(_as_of(export, history))
    history = history.assign(ended=history["to"].notna())
    if until == "completion":
        completed = history["task"].map(_completed_at(export))
        history["ended"] |= completed.notna()
        end = end.where(~(completed < end).fillna(value=False), completed)
    history["time"] = end - history["from"]
    stays = history[history["value"].notna() & (history["time"] > pd.Timedelta(0))]
    totals = stays.groupby(keys, sort=False, observed=True)
    return _named(export, totals.agg({"time": "sum", "ended": "all"}).reset_index(), history)


def _completed_at(export: ExportAnswers) -> pd.Series:
    tasks = export["task"]
    if "completed_at" not in tasks.columns:
        raise InvalidFrameError(
            "The tasks have no column 'completed_at', at which their time ends: load it too "
            "(columns=), export it (fields= of export_resources), or give until='export'."
        )
    completed: pd.Series = tasks.set_index("gid")["completed_at"]
    return completed


def _named(export: ExportAnswers, times: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Add the names of tasks and projects; sections come by project, in the order of work."""
    names = export["task"].reindex(columns=["gid", "name"]).set_index("gid")["name"]
    times.insert(1, "task.name", times["task"].map(names).astype(times["task"].dtype))
    if "project" not in times.columns:
        return times
    projects = tables_of(export)["project"].set_index("gid")["name"]
    times.insert(3, "project.name", times["project"].map(projects))
    order = pd.Index(_in_order(history))
    return (
        times.assign(place=order.get_indexer(pd.Index(times["value"])))
        .sort_values(["project.name", "project", "place"], kind="stable", ignore_index=True)
        .drop(columns="place")
    )


def _in_order(history: pd.DataFrame) -> list[object]:
    """Return the values of a history, those that tasks pass first at the beginning."""
    history = history.dropna(subset="value")
    keys = [name for name in ("task", "project") if name in history.columns]
    place = history.groupby(keys, sort=False).cumcount().groupby(history["value"]).mean()
    return place.sort_values(kind="stable").index.tolist()


def cycle_time_of(export: ExportAnswers, start: str | None = None) -> pd.DataFrame:
    """Return how long each completed task took."""
    completed = history_of(export, "completed")
    done = completed[completed["to"].isna() & completed["value"].fillna(value=False)]
    if start is None:
        begun = completed.groupby("task", sort=False)["from"].min()
    else:
        sections = history_of(export, "section")
        names = sections["value"].dropna().unique().tolist()
        if start not in names:
            raise InvalidFieldError(f"No section is called {start!r}; there is {names[:20]}.")
        begun = sections[sections["value"] == start].groupby("task", sort=False)["from"].min()
    cycles = done[["task", "from"]].rename(columns={"from": "completed"})
    cycles.insert(1, "started", cycles["task"].map(begun).astype(cycles["completed"].dtype))
    cycles = cycles[cycles["started"] < cycles["completed"]]
    return cycles.assign(time=cycles["completed"] - cycles["started"]).reset_index(drop=True)


def flow_of(
    export: ExportAnswers,
    field: str = "section",
    *,
    project: str | None = None,
    freq: str = "D",
    tz: str = "UTC",
) -> pd.DataFrame:
    """Return how many tasks had each value of a field, at the end of each day."""
    history = history_of(export, field)
    if project is not None:
        history = history[_in_project(export, history, project)]
    days = _days(_as_of(export, history), history["from"], tz)
    history = history.dropna(subset="value")
    values = _in_order(history)
    codes = pd.Index(values).get_indexer(pd.Index(history["value"]))
    counts = _counted(days, codes, len(values), history["from"], tz)
    counts -= _counted(days, codes, len(values), history["to"], tz)
    columns = pd.Index(values, name=field)
    return _sampled(pd.DataFrame(counts, index=days, columns=columns), freq)


def burnup_of(
    export: ExportAnswers, *, project: str | None = None, freq: str = "D", tz: str = "UTC"
) -> pd.DataFrame:
    """Return how many tasks there were, and how many of them completed, at the end of each day."""
    history = history_of(export, "completed")
    if project is not None:
        history = history[_in_project(export, history, project)]
    days = _days(_as_of(export, history), history["from"], tz)
    done = history[history["value"].fillna(value=False)]
    first = history.drop_duplicates("task")
    both = {}
    for name, starts, ends in (
        ("created", first["from"], first["from"].iloc[:0]),
        ("completed", done["from"], done["to"]),
    ):
        counts = _counted(days, np.zeros(len(starts), np.int64), 1, starts, tz)
        counts -= _counted(days, np.zeros(len(ends), np.int64), 1, ends, tz)
        both[name] = counts[:, 0]
    return _sampled(pd.DataFrame(both, index=days), freq)


def _in_project(export: ExportAnswers, history: pd.DataFrame, project: str) -> pd.Series:
    tables = tables_of(export)
    known = tables["project"]
    gids = set(known.loc[((known["gid"] == project) | (known["name"] == project)), "gid"])
    if not gids:
        raise InvalidOptionError(
            f"project={project!r}: no project of this export has this gid or name; see "
            "data.tables()['project']."
        )
    if "project" in history.columns:
        return history["project"].isin(gids)
    members = tables["task_project"]
    return history["task"].isin(members.loc[members["project"].isin(gids), "task"])


def _as_of(export: ExportAnswers, history: pd.DataFrame) -> pd.Timestamp:
    """Return the time until which the export is known to be current."""
    report = export.report()
    times = [history["from"].max(), history["to"].max(), report["latest"].max()]
    latest: pd.Timestamp = pd.Series([*times, report["as_of.to"].max()]).max()
    return latest


def _days(end: pd.Timestamp, starts: pd.Series, tz: str) -> pd.DatetimeIndex:
    if starts.empty:
        return pd.DatetimeIndex([], dtype="datetime64[us]")
    first, last = (_local(pd.Series([time]), tz).iloc[0] for time in (starts.min(), end))
    return pd.date_range(first, last, freq="D", unit="us")


def _local(times: pd.Series, tz: str) -> pd.Series:
    """Return the day of each time in a time zone."""
    try:
        zoned = times.astype("datetime64[us, UTC]").dt.tz_convert(tz)
    except (KeyError, ValueError, TypeError, OSError):
        raise InvalidOptionError(
            f"tz={tz!r}: give the name of a time zone, such as 'Europe/Berlin'."
        ) from None
    return zoned.dt.tz_localize(None).dt.normalize()


def _counted(
    days: pd.DatetimeIndex, codes: np.ndarray, width: int, times: pd.Series, tz: str
) -> np.ndarray:
    """Return, for each code, how many times there were until the end of each day."""
    counts = np.zeros((len(days), width), np.int64)
    known = times.notna().to_numpy(bool)
    if known.any():
        rows = (_local(times[known], tz) - days[0]) // _DAY
        np.add.at(counts, (rows.to_numpy(np.int64), codes[known]), 1)
    totals: np.ndarray = counts.cumsum(axis=0)
    return totals


def _sampled(frame: pd.DataFrame, freq: str) -> pd.DataFrame:
    if freq == "D":
        return frame.rename_axis(index="day")
    try:
        return frame.resample(freq).last().rename_axis(index="day")
    except ValueError:
        raise InvalidOptionError(
            f"freq={freq!r}: give an offset of pandas, such as 'D', 'W' or 'ME'."
        ) from None
