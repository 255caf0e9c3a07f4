"""Warnings point at the user's line."""

import warnings
from pathlib import Path

import pytest

import asana_jobs_pd
from asana_jobs_pd.errors import warn_user

PACKAGE = Path(asana_jobs_pd.__file__).parent


def called_from(file):
    """Return a function that warns as if its code stood in that file."""
    code = compile("def call(warn): warn('x', UserWarning)", str(file), "exec")
    names = {}
    exec(code, names)
    return names["call"]


def test_a_warning_points_at_the_caller():
    """Called at once, it names the line of the call."""
    with pytest.warns(UserWarning, match="x") as caught:
        warn_user("x", UserWarning)
    assert caught[0].filename == __file__


def test_a_warning_passes_over_the_package():
    """However deep in the package it arises, the line is the first one outside."""
    inner, outer = (called_from(PACKAGE / name) for name in ("_api/deep.py", "_accessor.py"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outer(lambda message, kind: inner(warn_user))
    assert [warning.filename for warning in caught] == [__file__]


def test_a_neighbour_with_a_longer_name_is_outside():
    """A package beside ours whose name begins with ours is the user's."""
    neighbour = PACKAGE.with_name("asana_jobs_pd_tools") / "reports.py"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        called_from(neighbour)(warn_user)
    assert [warning.filename for warning in caught] == [str(neighbour)]
