"""The table of all documented fields of a job: column, dtype, meaning, and how to request it.

Everything else derives from it. Source: https://developers.asana.com/reference/getjob
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray, ExtensionDtype

from asana_jobs_pd._http.redaction import redact
from asana_jobs_pd._options import check_flag, or_nearest
from asana_jobs_pd.errors import InvalidFieldError
from asana_jobs_pd.typing import DtypeBackend, Fields

TEXT = pa.large_string()
"""The Arrow type of texts and gids."""
Kind: TypeAlias = Literal["text", "time", "number"]

BACKEND = "asana_dtype_backend"
"""The key in a frame's `attrs` for a dtype backend other than the default."""

STATUSES = ("not_started", "in_progress", "succeeded", "failed")
FINAL_STATUSES = ("succeeded", "failed")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a jobs frame, named by the path of its field.

    ``opt_field`` requests it (None if it always arrives), ``compact`` says whether it belongs to
    the compact form of its object, ``optional`` whether some Asana servers do not know it.
    """

    name: str
    kind: Kind
    meaning: str
    opt_field: str | None
    compact: bool = True
    optional: bool = False


def _parents(column: str) -> tuple[str, ...]:
    """Return the objects around a column: ``a`` and ``a.b`` for ``a.b.c``."""
    parts = column.split(".")[:-1]
    return tuple(".".join(parts[: end + 1]) for end in range(len(parts)))


def _named(parent: str, what: str, *, optional: bool = False) -> tuple[Column, ...]:
    return (
        Column(f"{parent}.gid", "text", f"gid of {what}", parent, optional=optional),
        Column(f"{parent}.resource_type", "text", "its base type", parent, optional=optional),
        Column(f"{parent}.name", "text", "its name", f"{parent}.name", optional=optional),
    )


def _export(parent: str, what: str) -> tuple[Column, ...]:
    return (
        Column(f"{parent}.gid", "text", f"gid of {what}", parent),
        Column(f"{parent}.resource_type", "text", "its base type", parent),
        Column(f"{parent}.created_at", "time", "when it was created", f"{parent}.created_at"),
        Column(
            f"{parent}.completed_at",
            "time",
            "when it was completed; missing while it is in progress",
            f"{parent}.completed_at",
        ),
        Column(
            f"{parent}.download_url",
            "text",
            "signed URL, a credential until it expires; missing until the export has succeeded",
            f"{parent}.download_url",
        ),
    )


FIELDS: tuple[Column, ...] = (
    Column("gid", "text", "globally unique identifier of the job", None),
    Column("status", "text", "`not_started`, `in_progress`, `succeeded` or `failed`", "status"),
    Column("resource_subtype", "text", "kind of job, such as `duplicate_task`", "resource_subtype"),
    Column("resource_type", "text", "base type of the resource: `job`", None),
    *_named("new_project", "the created project"),
    *_named("new_task", "the created task"),
    Column(
        "new_task.resource_subtype",
        "text",
        "its subtype, such as `default_task` or `milestone`",
        "new_task.resource_subtype",
    ),
    Column(
        "new_task.created_by.gid",
        "text",
        "gid of the user who created it",
        "new_task.created_by",
        compact=False,
    ),
    Column(
        "new_task.created_by.resource_type",
        "text",
        "base type of its creator: `user`",
        "new_task.created_by",
        compact=False,
    ),
    *_named("new_project_template", "the created project template"),
    *_named("new_task_template", "the created task template", optional=True),
    *_named("new_portfolio", "the created portfolio", optional=True),
    *_export("new_graph_export", "the graph export"),
    *_export("new_resource_export", "the resource export"),
)
"""The documented fields of a job, in the order of the columns."""

BOOKKEEPING: tuple[Column, ...] = (
    Column("fetched_at", "time", "when the row was requested", None),
    Column("error.status", "number", "HTTP status of the response, if it was an error", None),
    Column("error.kind", "text", "`http`, `network`, `timeout` or `body`", None),
    Column("error.message", "text", "Asana's message, or what went wrong", None),
    Column("error.help", "text", "further help from Asana", None),
    Column("error.phrase", "text", "the phrase that Asana's support asks for after a 500", None),
)
"""The last columns of every frame: when a row was fetched, and its error."""

SOURCE: tuple[Column, ...] = (
    Column(
        "source.gid",
        "text",
        "gid of the object that the job was started from: a parent or a template",
        None,
    ),
    Column("source.action", "text", "the requested action, such as `export_graph`", None),
    Column("source.state", "text", "`started`, `taken`, `refused`, `unknown` or `not_sent`", None),
    Column("source.requested_at", "time", "when it was requested, by Asana's clock", None),
)
"""Additional columns of jobs that were started with this package."""

COLUMNS: dict[str, Column] = {column.name: column for column in (*FIELDS, *BOOKKEEPING, *SOURCE)}
NAMES: tuple[str, ...] = tuple(
    dict.fromkeys(name for column in FIELDS for name in (*_parents(column.name), column.name))
)
"""All names that ``fields`` accepts: columns, and the objects that contain them."""


def leaves_of(name: str) -> tuple[Column, ...]:
    """Return the columns of a field: itself, or the compact form of an object."""
    if name in COLUMNS:
        return (COLUMNS[name],)
    inside = tuple(column for column in FIELDS if column.name.startswith(f"{name}."))
    return tuple(column for column in inside if column.compact) or inside


def is_part(column: object) -> bool:
    """Return whether a column is named like a field of a created object, known or not."""
    return isinstance(column, str) and column.startswith("new_") and "." in column


def is_ours(name: object) -> bool:
    """Return whether a column is a field of a job, known or not."""
    return isinstance(name, str) and (name in COLUMNS or is_part(name))


def text_column(values: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> ExtensionArray:
    """Return texts as an array of the frame's text dtype, the same in pandas 2 and 3."""
    arrow = isinstance(values, pa.Array | pa.ChunkedArray)
    return pd.arrays.ArrowStringArray(values if arrow else pa.array(values, TEXT))


def dtype_of(kind: Kind) -> ExtensionDtype:
    """Return the dtype of a kind of column, the same in pandas 2 and 3."""
    if kind == "time":
        return pd.DatetimeTZDtype("us", "UTC")
    return pd.StringDtype("pyarrow") if kind == "text" else pd.Int16Dtype()


def with_backend(frame: pd.DataFrame, backend: DtypeBackend | None) -> pd.DataFrame:
    """Return a frame with the dtypes of a backend, recorded in `attrs` for later calls."""
    if backend != "pyarrow":
        return frame
    ours = [name for name in frame.columns if is_ours(name) or str(name).startswith("file.")]
    frame = frame.assign(**frame[ours].convert_dtypes(dtype_backend=backend))
    frame.attrs[BACKEND] = backend
    return frame


_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which fields to request, and which columns to make from the response.

    ``opt_fields`` are sent, without those of ``optional`` that Asana refuses;
    ``others`` are undocumented fields requested by name; ``everything`` keeps whatever arrives.
    """

    columns: tuple[Column, ...]
    opt_fields: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    everything: bool = False


def plan_fields(fields: Fields | None, *, strict: bool = True) -> Plan:
    """Return the plan for ``fields``; an `InvalidFieldError` names the nearest field."""
    check_flag("strict", strict)
    if fields is None:
        return EVERYTHING
    names = _names(fields)
    for name in names:
        _check(name, strict=strict)
    names = list(dict.fromkeys(names))
    others = tuple(name for name in names if name not in NAMES)
    return _plan([column for name in names if name in NAMES for column in leaves_of(name)], others)


def plan_for_columns(columns: Iterable[object]) -> Plan:
    """Return the plan that refreshes these columns and the status, or all fields if none is ours.

    Unknown fields of ``new_*`` objects are also requested, unless Asana refuses them.
    """
    present = [name for name in columns if isinstance(name, str)]
    known = {column.name for column in FIELDS if column.opt_field}
    wanted = [COLUMNS[name] for name in present if name in known]
    others = tuple(
        name for name in present if name not in COLUMNS and is_part(name) and _PATH.fullmatch(name)
    )
    if not wanted or len(wanted) == len(known):
        return EVERYTHING
    wanted = wanted if COLUMNS["status"] in wanted else [*wanted, COLUMNS["status"]]
    return _plan(wanted, others, lenient=True)


def _plan(wanted: Iterable[Column], others: tuple[str, ...] = (), *, lenient: bool = False) -> Plan:
    """Return a plan; a lenient one works without the fields that some Asana servers lack."""
    columns = tuple(dict.fromkeys(column for column in wanted if column.name != "gid"))
    opt_fields = dict.fromkeys(column.opt_field for column in columns if column.opt_field)
    optional = [column.opt_field for column in columns if column.opt_field and column.optional]
    return Plan(
        columns,
        (*opt_fields, *others),
        frozenset((*others, *optional)) if lenient else frozenset(),
        others,
    )


def _names(fields: Fields) -> list[str]:
    if isinstance(fields, str):
        return [fields]
    if not isinstance(fields, Iterable) or isinstance(fields, bytes | bytearray):
        raise InvalidFieldError(f"fields={fields!r}: give a field, a list of fields, or None.")
    names = list(fields)
    if not names:
        raise InvalidFieldError("fields is empty: name at least one field, or omit it to read all.")
    return names


def _check(name: object, *, strict: bool) -> None:
    if isinstance(name, str) and name in NAMES:
        return
    if not isinstance(name, str) or not _PATH.fullmatch(name):
        hint = " Give several fields as a list." if isinstance(name, str) and "," in name else ""
        raise InvalidFieldError(
            f"{redact(repr(name))} is not a field name, such as 'status' or 'new_task.name'.{hint}"
        )
    if strict:
        raise InvalidFieldError(
            f"{redact(repr(name))} is not a documented field of a job{or_nearest(name, NAMES)} "
            "Pass strict=False to request it anyway."
        )


EVERYTHING = replace(_plan(FIELDS, lenient=True), everything=True)
"""The plan of ``fields=None``."""
