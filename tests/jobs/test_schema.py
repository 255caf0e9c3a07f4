"""The table of fields, and what is derived from it."""

from __future__ import annotations

from typing import get_args

import pandas as pd
import pytest
from seed import ALLOWED

from asana_jobs_pd._jobs.schema import (
    COLUMNS,
    EVERYTHING,
    FINAL_STATUSES,
    NAMES,
    STATUSES,
    dtype_of,
)
from asana_jobs_pd.typing import ErrorKind, JobField, JobStatus


def test_all_documented_fields_are_asked_for():
    """``fields=None`` asks for the contract's allowed fields, and the portfolio's."""
    assert set(EVERYTHING.opt_fields) == {*ALLOWED, "new_portfolio", "new_portfolio.name"}
    assert len(EVERYTHING.opt_fields) == len(set(EVERYTHING.opt_fields))


def test_only_what_descriptions_differ_in_is_optional():
    """Asana may refuse these two objects, and no others."""
    assert {name.split(".")[0] for name in EVERYTHING.optional} == {
        "new_portfolio",
        "new_task_template",
    }


@pytest.mark.parametrize("name", ALLOWED)
def test_every_allowed_field_is_accepted(name):
    """Every optional field of the contract is the name of a field."""
    assert name in NAMES


def test_the_types_for_annotations_are_the_table():
    """``JobField`` and ``JobStatus`` name what the table has."""
    assert get_args(JobField) == NAMES
    assert get_args(JobStatus) == STATUSES
    assert set(FINAL_STATUSES) < set(STATUSES)
    assert get_args(ErrorKind) == ("http", "network", "timeout", "body")


def test_dtypes_hold_neither_objects_nor_floats():
    """All dtypes are texts, UTC times in microseconds, and Int16."""
    dtypes = {str(dtype_of(column.kind)) for column in COLUMNS.values()}
    assert dtypes == {"string", "datetime64[us, UTC]", "Int16"}
    assert dtype_of("text") == pd.StringDtype("pyarrow")
