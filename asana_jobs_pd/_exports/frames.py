"""From Arrow tables to pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._exports.issues import Issue
from asana_jobs_pd._exports.locations import File
from asana_jobs_pd._exports.settle import Field

__all__ = ["TEXT", "Backend", "catalogue", "issues_frame", "to_frame"]

Backend: TypeAlias = Literal["numpy_nullable", "pyarrow"]
TEXT = pd.StringDtype("pyarrow")


def to_frame(table: pa.Table, backend: Backend) -> pd.DataFrame:
    """Return a table as a DataFrame with a RangeIndex.

    Parameters
    ----------
    table
        Is used up where that saves memory.
    backend
        ``"numpy_nullable"``: `string`, `boolean`, `Int64`, `Float64`, `datetime64[us, UTC]`,
        `category`; dates and lists, for which pandas has nothing of its own, as `ArrowDtype`.
        ``"pyarrow"``: `ArrowDtype` for all.
    """
    mapper = pd.ArrowDtype if backend == "pyarrow" else _nullable
    frame: pd.DataFrame = table.to_pandas(
        types_mapper=mapper, date_as_object=False, self_destruct=True, split_blocks=True
    )
    return frame


def _nullable(type_: pa.DataType) -> Any:
    if pa.types.is_string(type_):
        return TEXT
    if pa.types.is_boolean(type_):
        return pd.BooleanDtype()
    if pa.types.is_integer(type_):
        return pd.Int64Dtype()
    if pa.types.is_floating(type_):
        return pd.Float64Dtype()
    if pa.types.is_nested(type_) or pa.types.is_date(type_):
        return pd.ArrowDtype(type_)
    return None


def issues_frame(issues: Sequence[Issue], paths: Sequence[File]) -> pd.DataFrame:
    """Return issues as a frame: file, line, resource_type, gid, column, value, reason."""
    frame = pd.DataFrame(
        {
            "file": [str(paths[issue.file]) for issue in issues],
            "line": [issue.line or None for issue in issues],
            "resource_type": [issue.resource_type for issue in issues],
            "gid": [issue.gid for issue in issues],
            "column": [issue.column for issue in issues],
            "value": [issue.value for issue in issues],
            "reason": [issue.reason for issue in issues],
        }
    )
    return frame.astype({name: "Int64" if name == "line" else TEXT for name in frame.columns})


def catalogue(fields: Sequence[Field], filled: Mapping[str, int]) -> pd.DataFrame:
    """Return custom fields as a frame, one a row, with how many rows have a value."""
    options = pa.array([field.options for field in fields], pa.list_(pa.string()))
    return pd.DataFrame(
        {
            "column": _texts([field.column for field in fields]),
            "gid": _texts([field.gid for field in fields]),
            "name": _texts([field.name for field in fields]),
            "type": _texts([field.kind for field in fields]),
            "representation_type": _texts([field.representation for field in fields]),
            "precision": pd.array([field.precision for field in fields], "Int64"),
            "format": _texts([field.format for field in fields]),
            "currency_code": _texts([field.currency for field in fields]),
            "options": pd.arrays.ArrowExtensionArray(options),
            "rows": np.array([filled[field.column] for field in fields], np.int64),
        }
    )


def _texts(values: Sequence[str | None]) -> Any:
    return pd.array(values, TEXT)
