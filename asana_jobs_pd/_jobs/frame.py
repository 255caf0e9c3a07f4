"""Turns job records into a typed frame."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import FIRST_TIME, LAST_TIME, parse_times
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.schema import COLUMNS, TEXT, Plan, plan_fields, text_column
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    BodyError,
    InvalidGidError,
    InvalidOptionError,
    RequestError,
    warn_user,
)
from asana_jobs_pd.typing import Fields

Record: TypeAlias = dict[str, Any]
Tree: TypeAlias = dict[str, Any]
"""The documented fields, nested: a dict for an object, None for a leaf."""
Leaves: TypeAlias = dict[str, pa.Array]
"""The columns of one chunk, by path."""
Extras: TypeAlias = tuple[str, Sequence[int], Sequence[object]]
"""Undocumented values: their path, rows and values."""

NEVER = -(2**63)
"""NumPy's NaT as an integer."""
CHUNK = 10_000
"""So many records stay in the processor's cache; all at once take a fifth longer."""
MAX_FLATTENED = 4
MAX_DEPTH = 250
_MISFITS = (pa.ArrowException, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A record, or the error that explains its absence; neither if the job was not requested.

    ``asked_at`` is in microseconds since 1970 (UTC), or ``NEVER``.
    """

    asked_at: int = NEVER
    record: Record = field(default_factory=dict, repr=False)
    error: RequestError | None = None


@public
def asana_jobs_from_records(
    records: Sequence[Record], fields: Fields | None = None, *, strict: bool = True
) -> pd.DataFrame:
    """Convert job records that you already have to a frame like that of `read_asana_jobs`.

    For records from another client, from a file, or from the response to the request that
    started a job. No request is made.

    Parameters
    ----------
    records
        The records, which Asana calls ``data``: one dict per job, with its ``gid``.
    fields, strict
        As in `read_asana_jobs`.

    Returns
    -------
    pandas.DataFrame
        One row per record, in their order, with a RangeIndex. ``fetched_at`` and ``error.*`` are
        missing, unless a record is not one of a job: then ``error.*`` says so.
        ``jobs.asana.refresh()`` reads the unfinished jobs.

    Raises
    ------
    InvalidGidError
        If a record has no gid.
    InvalidFieldError
        If a field is invalid.

    See Also
    --------
    read_asana_jobs : Read jobs by their gids.
    read_jobs_file : Read records, or a saved frame, from a file.

    Examples
    --------
    >>> record = {"gid": "12", "status": "succeeded", "new_task": {"gid": "34", "name": "Plan"}}
    >>> jobs = aj.asana_jobs_from_records([record])
    >>> jobs["new_task.name"].tolist()
    ['Plan']
    """
    plan = plan_fields(fields, strict=strict)
    rows = _listed(records)
    checked = dict.fromkeys((COLUMNS["gid"], *plan.columns, COLUMNS["resource_type"]))
    columns = columns_of(rows, replace(plan, columns=tuple(checked)))
    gids = _gids_of(rows, columns.pop("gid"))
    types = columns["resource_type"]
    if COLUMNS["resource_type"] not in plan.columns:
        del columns["resource_type"]
    errors: list[RequestError | None] = []
    if pc.any(pc.not_equal(types, "job")).as_py():
        errors = [_not_a_job(gid, row) for gid, row in zip(gids.to_pylist(), rows, strict=True)]
        kept = [{} if error else row for error, row in zip(errors, rows, strict=True)]
        columns = columns_of(kept, plan)
    asked_at = np.full(len(rows), "NaT", "M8[us]")
    return _frame(gids, columns, asked_at, errors, problems=None)


def _not_a_job(gid: str, record: dict[str, Any]) -> BodyError | None:
    """Return the error for a record that is not a job; None if it is one."""
    kind = record.get("resource_type")
    if kind is None or kind == "job":
        return None
    reason = f"the response is not a job: its resource_type is {clean(str(kind))!r}"
    message = f"Job {gid}: {reason}. Check the gid and base_url."
    return BodyError(message, gid=gid, status=HTTPStatus.OK.value, reason=reason)


def frame_of_results(
    gids: Sequence[str | None],
    results: Sequence[ReadResult],
    plan: Plan,
    problems: list[str] | None = None,
) -> pd.DataFrame:
    """Return the frame of the fetched records: one row per gid, in their order.

    Values that do not fit their column become missing; messages about them are added to
    `problems`, or without it become warnings.
    """
    asked_at = np.fromiter((result.asked_at for result in results), "int64", len(results))
    columns = columns_of([result.record for result in results], plan)
    errors = [result.error for result in results]
    return _frame(pa.array(gids, TEXT), columns, asked_at.view("M8[us]"), errors, problems)


def _frame(
    gids: pa.Array | pa.ChunkedArray,
    columns: Mapping[str, pa.ChunkedArray],
    asked_at: np.ndarray,
    errors: Sequence[RequestError | None],
    problems: list[str] | None,
) -> pd.DataFrame:
    """Return ``gid``, the columns, ``fetched_at`` and ``error.*`` as a frame."""
    rows, messages = len(asked_at), [] if problems is None else problems
    data: dict[str, Any] = {"gid": text_column(gids)}
    for name, array in columns.items():
        timed = name in COLUMNS and COLUMNS[name].kind == "time"
        data[name] = _to_times(array, name, gids, messages) if timed else text_column(array)
    data["fetched_at"] = _utc(asked_at)
    data |= _error_columns(errors, rows)
    frame = pd.DataFrame(data, index=pd.RangeIndex(rows), copy=False)
    if problems is None:
        for message in messages:
            warn_user(message, AsanaValueWarning, frame=frame)
    return frame


def columns_of(records: Sequence[Record], plan: Plan) -> dict[str, pa.ChunkedArray]:
    """Return the plan's columns, then columns for everything else, as ``large_string``."""
    tree = _tree(column.name for column in plan.columns)
    chunks: list[tuple[int, Leaves]] = []
    extras: list[Extras] = []
    for start in range(0, len(records), CHUNK):
        part = records[start : start + CHUNK]
        objects = _Objects(range(start, start + len(part)), part, set().union(*part))
        present = {name: inner for name, inner in tree.items() if name in objects.keys}
        array, chunk_extras = _to_arrow(part, start, present)
        chunks.append((len(part), dict(_leaves(array, present))))
        if plan.everything:
            chunk_extras.extend(_unknown(objects, array, present))
        else:
            others = plan.others
            chunk_extras = [(name, objects.rows, _values_at(part, name)) for name in others]
        extras += chunk_extras
    documented = {column.name: _joined(column.name, chunks) for column in plan.columns}
    return documented | _extra_columns(extras, plan.others, len(records))


class _Objects(NamedTuple):
    """The objects of one kind in a chunk: their rows, the objects, all their keys."""

    rows: Sequence[int]
    values: Sequence[Record]
    keys: set[str]


def _joined(column: str, chunks: Sequence[tuple[int, Leaves]]) -> pa.ChunkedArray:
    if not any(column in leaves for _, leaves in chunks):
        return pa.chunked_array([pa.nulls(sum(rows for rows, _ in chunks), TEXT)])
    arrays = [
        leaves[column] if column in leaves else pa.nulls(rows, TEXT) for rows, leaves in chunks
    ]
    return pa.chunked_array(arrays, TEXT)


def _listed(records: object) -> list[Record]:
    if not isinstance(records, Iterable) or isinstance(records, str | Mapping | pd.DataFrame):
        kind = type(records).__name__
        hint = ", such as [record]" if isinstance(records, Mapping) else ""
        raise InvalidOptionError(f"records is a {kind}: give a list of job records{hint}.")
    listed = list(records)
    for position, record in enumerate(listed):
        if not isinstance(record, dict):
            raise InvalidGidError(
                f"records[{position}] is a {type(record).__name__}, not the dict of a job."
            )
    return listed


def _tree(columns: Iterable[str]) -> Tree:
    tree: Tree = {}
    for column in columns:
        *parents, leaf = column.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = None
    return tree


def _struct(tree: Tree) -> pa.DataType:
    return pa.struct(
        [(name, TEXT if inner is None else _struct(inner)) for name, inner in tree.items()]
    )


def _leaves(array: pa.StructArray, tree: Tree, prefix: str = "") -> Iterator[tuple[str, pa.Array]]:
    for child, (name, inner) in zip(array.flatten(), tree.items(), strict=True):
        if inner is None:
            yield prefix + name, child
        else:
            yield from _leaves(child, inner, f"{prefix}{name}.")


def _to_arrow(
    part: Sequence[Record], start: int, tree: Tree
) -> tuple[pa.StructArray, list[Extras]]:
    struct = _struct(tree)
    try:
        return pa.array(part, struct), []
    except _MISFITS:
        misfits: list[Extras] = []
        tidy = [_tidy(record, tree, "", row, misfits) for row, record in enumerate(part, start)]
        return pa.array(tidy, struct), misfits


def _tidy(record: Record, tree: Tree, prefix: str, row: int, misfits: list[Extras]) -> Record:
    """Return the record with texts as leaves; values that should be objects go to `misfits`."""
    tidy: Record = {}
    for name, inner in tree.items():
        value = record.get(name)
        if inner is None or value is None:
            tidy[name] = None if value is None else _text(value)
        elif isinstance(value, dict):
            tidy[name] = _tidy(value, inner, f"{prefix}{name}.", row, misfits)
        else:
            misfits.append((prefix + name, [row], [value]))
    return tidy


def _unknown(
    objects: _Objects, array: pa.StructArray, tree: Tree, prefix: str = ""
) -> Iterator[Extras]:
    """Yield values that the schema does not know; Arrow's nulls show which rows have objects."""
    for key in sorted(objects.keys - tree.keys() - {"gid"}, key=str):
        yield f"{prefix}{key}", *_values_of(key, objects.rows, objects.values)
    record = objects.values.__getitem__  # noqa: PD011  a list of ours
    for name, inner in tree.items():
        if not inner or not (places := _valid(child := array.field(name))):
            continue
        values = list(map(itemgetter(name), map(record, places)))
        keys, deeper = set().union(*values), any(inner.values())
        if deeper or not keys <= inner.keys():
            inside = _Objects([objects.rows[place] for place in places], values, keys)
            below = child.filter(child.is_valid()) if deeper else child
            yield from _unknown(inside, below, inner, f"{prefix}{name}.")


def _values_of(
    key: str, rows: Sequence[int], objects: Sequence[Record]
) -> tuple[list[int], list[object]]:
    """Return the rows of the objects that have a key, and its values."""
    places = [place for place, each in enumerate(objects) if key in each]
    return [rows[place] for place in places], [objects[place][key] for place in places]


def _valid(array: pa.Array) -> list[int]:
    if array.null_count == len(array):
        return []
    places: list[int] = array.is_valid().to_numpy(zero_copy_only=False).nonzero()[0].tolist()
    return places


def _values_at(part: Sequence[Record], name: str) -> list[object]:
    """Return the values of an undocumented field."""
    values: list[object] = list(part)
    for key in name.split("."):
        values = [value.get(key) if isinstance(value, dict) else None for value in values]
    return values


def _extra_columns(
    extras: Iterable[Extras], asked: Sequence[str], rows: int
) -> dict[str, pa.ChunkedArray]:
    cells: defaultdict[str, list[str | None]] = defaultdict(lambda: [None] * rows)
    for extra in extras:
        for column, places, texts in _flatten(*extra):
            cell = cells[_text(column)]
            for place, text in zip(places, texts, strict=True):
                cell[place] = text
    for column in sorted(
        cells.keys() & COLUMNS.keys()
    ):  # an undocumented key must not replace a column
        cells[f"job.{column}"] = cells.pop(column)
    for name in asked:
        if not any(column.startswith(f"{name}.") for column in cells):
            _ = cells[name]  # requested: a column even if nothing arrived
    return {column: pa.chunked_array([pa.array(texts, TEXT)]) for column, texts in cells.items()}


def _flatten(
    path: str, rows: Sequence[int], values: Sequence[object], depth: int = 1
) -> Iterator[tuple[str, list[int], list[str]]]:
    """Yield columns of values: the leaves of ``new_*`` objects, and other values as text."""
    leaves: tuple[list[int], list[str]] = [], []
    objects: tuple[list[int], list[Record]] = [], []
    deeper = depth <= MAX_FLATTENED and path[:4] == "new_"
    for row, value in zip(rows, values, strict=True):
        if deeper and value and isinstance(value, dict):
            objects[0].append(row)
            objects[1].append(value)
        elif value is not None:
            leaves[0].append(row)
            leaves[1].append(_text(value))
    if leaves[0]:
        yield path, *leaves
    for key in dict.fromkeys(chain.from_iterable(objects[1])):
        yield from _flatten(f"{path}.{key}", *_values_of(key, *objects), depth + 1)


def _text(value: object) -> str:
    """Return texts unchanged, and anything else as JSON with all digits of its numbers."""
    text = value
    if not isinstance(value, str | int | float | list | tuple | dict):  # such as a datetime
        text = str(value)
    elif not isinstance(text, str):
        if _is_too_deep(value):
            return f"<{type(value).__name__} that cannot be shown>"
        try:
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        except (TypeError, ValueError):  # not JSON: the user made the records
            text = str(value)
    # UTF-8 cannot hold a lone surrogate (half of an emoji).
    return (
        text
        if text.isascii()
        else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _is_too_deep(value: object) -> bool:
    """Return whether a value nests deeper than `MAX_DEPTH`, the same limit on every Python."""
    level = [value]
    for _ in range(MAX_DEPTH):
        nested = (each for each in level if isinstance(each, dict | list | tuple))
        level = [
            inner
            for each in nested
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _gids_of(records: Sequence[Record], texts: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the checked gids of the records; there is a fast path if all are digits."""
    digits = not texts.null_count and pc.all(pc.ascii_is_decimal(texts)).as_py()
    if not digits or pc.any(pc.starts_with(texts, "0")).as_py():  # the integer 0 has become text
        if without := [row for row, record in enumerate(records) if record.get("gid") is None]:
            raise InvalidGidError(
                f"records[{without[0]}] has no 'gid' ({len(without)} of {len(records)} records). "
                "Give what Asana calls data: the dict of a job, with its gid."
            )
        return pa.array(parse_gids([record["gid"] for record in records]), TEXT)
    return texts


_TIME = pa.timestamp("us", "UTC")
_ATTRIBUTES = {
    "error.status": "status",
    "error.kind": "kind",
    "error.message": "reason",
    "error.help": "help",
    "error.phrase": "phrase",
}


def _error_columns(errors: Sequence[RequestError | None], rows: int) -> dict[str, Any]:
    failed = any(errors)
    data: dict[str, Any] = {}
    for name, attribute in _ATTRIBUTES.items():
        values = [getattr(error, attribute, None) for error in errors] if failed else []
        if COLUMNS[name].kind == "text":
            data[name] = text_column(values or pa.nulls(rows, TEXT))
        else:
            data[name] = pd.array(values or np.full(rows, np.nan), "Int16")
    return data


def _utc(times: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(times, tz="UTC", copy=False)


def _to_times(
    array: pa.ChunkedArray, column: str, gids: pa.Array, problems: list[str]
) -> pd.DatetimeIndex:
    """Return ISO 8601 texts as UTC times; other texts become missing, with a message."""
    try:
        moments = array.cast(_TIME).to_numpy()
    except pa.ArrowInvalid:
        pass
    else:
        if not ((moments < FIRST_TIME) | (moments > LAST_TIME)).any():
            return _utc(moments)
    texts = pd.Series(text_column(array)).astype(object)
    times, problem = parse_times(texts, lambda row: f"{column} of job {gids[row]} is")
    if problem:
        problems.append(problem)
    return pd.DatetimeIndex(times)
