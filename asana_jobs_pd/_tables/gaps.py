"""`data.gaps()`: objects that an export refers to but does not contain."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._export.results import TEXT
from asana_jobs_pd._tables.arrays import codes_of, distinct
from asana_jobs_pd._tables.relations import check_complete
from asana_jobs_pd._tables.source import REFERENCES, ROWS_OF, Reference, Source, has_rows

_COLUMNS: Final = ("kind", "gid", "name", "referred_by", "count", "why", "example")
_GRAPH_TYPES: Final = ("project", "section", "portfolio", "project_to_portfolio")
"""Types of rows that are only in graph exports."""


def gaps_of(export: ExportAnswers) -> pd.DataFrame:
    """Return the objects that an export refers to but does not contain."""
    check_complete(export)
    source = Source(export)
    checked = [reference for reference in REFERENCES if has_rows(export, reference.kind)]
    parts = [_missing_of(source, reference) for reference in checked]
    parts.append(_subtasks_missing(source))
    gaps = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    dtypes = {name: "Int64" if name == "count" else TEXT for name in _COLUMNS}
    return gaps.astype(dtypes)


def _missing_of(source: Source, reference: Reference) -> pd.DataFrame:
    """Return the objects of a kind of reference that are not in the export."""
    referred = source.referred(reference)
    rows = source.text(ROWS_OF.get(reference.kind, reference.kind), "gid")
    absent = (codes_of(referred["gid"], rows) < 0) & np.asarray(referred["gid"].is_valid())
    if not absent.any():
        return _frame(reference, pa.table({name: pa.array([], pa.string()) for name in referred}))
    missing = pa.table(referred).filter(pa.array(absent))
    objects = distinct({name: missing[name] for name in missing.column_names}, "gid")
    counts = np.bincount(codes_of(missing["gid"], objects["gid"]), minlength=len(objects))
    why = _reasons(source, reference, objects)
    return _frame(reference, objects, counts, why)


def _frame(
    reference: Reference,
    objects: pa.Table,
    counts: np.ndarray | None = None,
    why: list[str] | None = None,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": reference.kind,
            "gid": objects["gid"].to_pandas(),
            "name": objects["name"].to_pandas(),
            "referred_by": reference.label,
            "count": counts,
            "why": why,
            "example": objects["by"].to_pandas(),
        },
        columns=list(_COLUMNS),
    )


def _reasons(source: Source, reference: Reference, objects: pa.Table) -> list[str]:
    """Return why objects are missing from an export, as far as it is known."""
    is_graph = any(name in source.export for name in _GRAPH_TYPES)
    if not is_graph or reference.path.startswith("stories"):
        return ["unknown"] * len(objects)
    if reference.kind == "project":
        linked = source.text("project_to_portfolio", "project.gid")
        expected = codes_of(objects["gid"], pc.unique(linked))
    elif reference.path == "memberships[].section":
        expected = codes_of(objects["project.gid"], source.text("project", "gid"))
    else:
        why = "not visible" if reference.path == "child_portfolio" else "unknown"
        return [why] * len(objects)
    return ["not visible" if place >= 0 else "other project" for place in expected]


def _subtasks_missing(source: Source) -> pd.DataFrame:
    """Return the subtasks that tasks count but the export lacks; their gids are unknown."""
    expected = source.column("task", "num_subtasks")
    if expected is None:
        return pd.DataFrame(columns=list(_COLUMNS))
    gids, parents = source.text("task", "gid"), source.text("task", "parent.gid")
    known = codes_of(parents, gids)
    present = np.bincount(known[known >= 0], minlength=len(gids))
    absent = np.asarray(expected.fill_null(0)).astype(np.int64) - present
    nested = np.asarray(parents.is_valid())
    is_graph = any(name in source.export for name in _GRAPH_TYPES)
    rows = []
    for below, why in ((nested, "deeper subtask"), (~nested, "not visible")):
        short = np.flatnonzero((absent > 0) & below)
        if len(short):
            reason = why if is_graph else "unknown"
            example = gids[int(short[0])].as_py()
            count = int(absent[short].sum())
            rows.append(("task", None, None, "task.num_subtasks", count, reason, example))
    return pd.DataFrame(rows, columns=list(_COLUMNS))
