"""Figures based on history: time in a value, cycle time, flow and burnup."""

from __future__ import annotations

import numpy as np
import pandas as pd

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._tables.history import history_of
from asana_jobs_pd._tables.relations import tables_of
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError


def time_in_of(export: ExportAnswers, field: str, *, until: str = "completion") -> pd.DataFrame:
    """Return how long each task had each value of a field."""
    if until not in ("completion", "export"):
        raise InvalidOptionError(f"until={until!r}: give 'completion' or 'export'.")
    history = history_of(export, field, ("completed_at",) if until == "completion" else ())
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
            "(columns=), export it (fields= of ResourceExport), or give until='export'."
        )
    return _by_gid(tasks, "completed_at")


def _by_gid(rows: pd.DataFrame, column: str) -> pd.Series:
    """Return a column by the gids of its rows, without rows that have none."""
    known = rows.reindex(columns=["gid", column]).dropna(subset="gid")
    values: pd.Series = known.set_index("gid")[column]
    return values


def _named(export: ExportAnswers, times: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Add the names of tasks and projects; sort sections by project, in the order of work."""
    names = _by_gid(export["task"], "name")
    times.insert(1, "task.name", times["task"].map(names).astype(times["task"].dtype))
    if "project" not in times.columns:
        return times
    names = _by_gid(tables_of(export)["project"], "name")
    times.insert(3, "project.name", times["project"].map(names).astype(times["project"].dtype))
    order = _in_order(history)
    return (
        times.assign(place=order.get_indexer(pd.Index(times["value"])))
        .sort_values(["project.name", "project", "place"], kind="stable", ignore_index=True)
        .drop(columns="place")
    )


def _in_order(history: pd.DataFrame) -> pd.Index:
    """Return the values of a history, in the order in which tasks reach them.

    Of two values, the one that most tasks with both had first comes first.
    """
    keys = [name for name in ("task", "project") if name in history.columns]
    reached = history.dropna(subset="value").drop_duplicates([*keys, "value"])
    group = reached.groupby(keys, sort=False).ngroup().to_numpy()
    codes, values = pd.factorize(reached["value"])
    pairs, step = [np.empty(0, np.int64)], 1
    while (same := group[step:] == group[:-step]).any():
        pairs.append(codes[:-step][same] * len(values) + codes[step:][same])
        step += 1
    pair, count = np.unique(np.concatenate(pairs), return_counts=True)
    first, second = pair // max(1, len(values)), pair % max(1, len(values))
    opposite = pd.Series(count, pair).reindex(second * len(values) + first, fill_value=0)
    usual = count > opposite.to_numpy()
    before, after = (np.bincount(code[usual], minlength=len(values)) for code in (second, first))
    place = (before - after) / np.maximum(1, before + after)
    ordered: pd.Index = pd.Index(values).take(np.argsort(place, kind="stable"))
    return ordered


def cycle_time_of(export: ExportAnswers, start: str | None = None) -> pd.DataFrame:
    """Return how long each completed task took."""
    completed = history_of(export, "completed", ("memberships",) if start is not None else ())
    done = completed[completed["to"].isna() & completed["value"].fillna(value=False)]
    work = completed if start is None else history_of(export, "section")
    if start is not None:
        names = work["value"].dropna().unique().tolist()
        if start not in names:
            raise InvalidOptionError(f"start={start!r}: no section has this name; give {names}.")
        work = work[work["value"] == start]
    begun = work.groupby("task", sort=False)["from"].min()
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
    history = _of_project(export, field, project)
    counts = _counts(history, _as_of(export, history), freq, tz)
    return counts.reindex(columns=_in_order(history)).rename_axis(columns=field)


def burnup_of(
    export: ExportAnswers, *, project: str | None = None, freq: str = "D", tz: str = "UTC"
) -> pd.DataFrame:
    """Return how many tasks existed, and how many were completed, at the end of each day."""
    history = _of_project(export, "completed", project)
    created = history.drop_duplicates("task").assign(value="created", to=None)
    done = history[history["value"].fillna(value=False)].assign(value="completed")
    both = pd.concat([created.astype({"to": history["to"].dtype}), done])
    counts = _counts(both, _as_of(export, history), freq, tz)
    return counts.reindex(columns=["created", "completed"], fill_value=0).rename_axis(columns=None)


def _of_project(export: ExportAnswers, field: str, project: str | None) -> pd.DataFrame:
    """Return the history of a field in one project, or in all."""
    if project is None:
        return history_of(export, field)
    history = history_of(export, field, ("memberships",))
    tables = tables_of(export)
    known = tables["project"]
    gids = known.loc[(known["gid"] == project) | (known["name"] == project), "gid"]
    if gids.empty:
        raise InvalidOptionError(
            f"project={project!r}: no project of this export has this gid or name; see "
            "data.tables().project."
        )
    if "project" in history.columns:
        return history[history["project"].isin(gids)]
    members = tables["task_project"]
    return history[history["task"].isin(members.loc[members["project"].isin(gids), "task"])]


def _as_of(export: ExportAnswers, history: pd.DataFrame) -> pd.Timestamp:
    """Return the time up to which the export is known to be current."""
    report = export.report()
    times = [history["from"].max(), history["to"].max(), report["latest"].max()]
    known = pd.Series([*times, report["as_of.to"].max()], dtype="datetime64[us, UTC]")
    latest: pd.Timestamp = known.max()
    return latest


def _counts(history: pd.DataFrame, end: pd.Timestamp, freq: str, tz: str) -> pd.DataFrame:
    """Return how many intervals of each value there were at the end of each day."""
    begins, ends = (_local(history[name], tz) for name in ("from", "to"))
    changes = [
        pd.DataFrame({"day": days, "value": history["value"], "change": change})
        for days, change in ((begins, 1), (ends, -1))
    ]
    table = pd.concat(changes).pivot_table(
        "change", "day", "value", "sum", fill_value=0, observed=True
    )
    if begins.notna().any():
        days = pd.date_range(begins.min(), _local(pd.Series([end]), tz).iloc[0], unit="us")
        table = table.reindex(days, fill_value=0)
    try:
        counts = table.cumsum().astype("int64").resample(freq).last()
    except (AttributeError, TypeError, ValueError):
        counts = None
    if counts is None or counts.isna().any(axis=None):  # changes within a day are not counted
        raise InvalidOptionError(
            f"freq={freq!r}: give an offset of pandas of a day or more, such as 'D', 'W' or 'ME'."
        )
    return counts.rename_axis(index="day")


def _local(times: pd.Series, tz: str) -> pd.Series:
    """Return the day of each time in a time zone."""
    times = times.astype("datetime64[us, UTC]")
    try:
        zoned = times.dt.tz_convert(tz)
    except (KeyError, ValueError, TypeError, OSError):
        raise InvalidOptionError(
            f"tz={tz!r}: give the name of a time zone, such as 'Europe/Berlin'."
        ) from None
    return zoned.dt.tz_localize(None).dt.normalize()
