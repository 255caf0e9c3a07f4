"""What ``fields`` accepts, and what is requested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._jobs.schema import (
    COLUMNS,
    EVERYTHING,
    FIELDS,
    NAMES,
    plan_fields,
    plan_for_columns,
)
from asana_jobs_pd.errors import InvalidFieldError


def columns(plan):
    return [column.name for column in plan.columns]


def test_explicit_fields_give_exactly_those_columns_in_their_order():
    """The columns are the fields as asked."""
    plan = plan_fields(["new_task.name", "status"])
    assert columns(plan) == ["new_task.name", "status"]
    assert plan.opt_fields == ("new_task.name", "status")
    assert not plan.everything


def test_an_object_means_its_compact_form():
    """``new_task`` is gid, resource_type, name and subtype, each asked for by its path."""
    plan = plan_fields(["new_task"])
    assert columns(plan) == [
        "new_task.gid",
        "new_task.resource_type",
        "new_task.name",
        "new_task.resource_subtype",
    ]
    assert plan.opt_fields == ("new_task", "new_task.name", "new_task.resource_subtype")


@pytest.mark.parametrize(
    ("field", "ask", "column"),
    [
        ("new_task.gid", ("new_task",), "new_task.gid"),
        ("new_task.created_by.gid", ("new_task.created_by",), "new_task.created_by.gid"),
        ("resource_type", (), "resource_type"),
    ],
)
def test_of_leaves_that_cannot_be_asked_for_the_parent_is(field, ask, column):
    """A gid or type inside an object comes with the object."""
    plan = plan_fields(field)
    assert (plan.opt_fields, columns(plan)) == (ask, [column])


def test_the_gid_alone_asks_for_nothing_more():
    """``gid`` always comes: the compact record is asked for."""
    plan = plan_fields("gid")
    assert (plan.opt_fields, columns(plan)) == ((), [])


def test_a_nested_object_gives_its_leaves():
    """``new_task.created_by`` has a gid and a type."""
    assert columns(plan_fields("new_task.created_by")) == [
        "new_task.created_by.gid",
        "new_task.created_by.resource_type",
    ]


@given(st.lists(st.sampled_from(NAMES), min_size=1))
def test_repeats_change_nothing(names):
    """Naming a field twice, or an object and its leaf, gives each column once."""
    plan = plan_fields([*names, *names])
    assert columns(plan) == list(dict.fromkeys(columns(plan)))
    assert plan == plan_fields(names)
    assert set(plan.opt_fields) <= set(EVERYTHING.opt_fields)


def test_an_unknown_field_names_the_nearest():
    """A slip is told, with what was probably meant and the way out."""
    with pytest.raises(InvalidFieldError, match=r"'new_task\.nam'.*did you mean 'new_task\.name'"):
        plan_fields(["status", "new_task.nam"])


def test_strict_false_lets_unknown_fields_through():
    """So that fields that Asana adds later can be requested."""
    plan = plan_fields(["status", "new_goal.name"], strict=False)
    assert plan.opt_fields == ("status", "new_goal.name")
    assert plan.others == ("new_goal.name",)


@pytest.mark.parametrize(
    "bad",
    ["", "a,b", "status&x=1", "Status", "a..b", "a.", "é", "a b", "a\n", 5, None, b"status", ["x"]],
)
@pytest.mark.parametrize("strict", [True, False])
def test_values_that_are_not_names_are_refused_even_when_not_strict(bad, strict):
    """Nothing that could change the query is accepted."""
    with pytest.raises(InvalidFieldError):
        plan_fields(["status", bad], strict=strict)


@pytest.mark.parametrize("bad", [[], (), 5, iter(())])
def test_no_fields_is_an_error(bad):
    """An empty list is not "all"."""
    with pytest.raises(InvalidFieldError):
        plan_fields(bad)


def test_commas_in_a_bare_string_get_a_hint():
    """A comma-separated string is not split, but the error gives the remedy."""
    with pytest.raises(InvalidFieldError, match="as a list"):
        plan_fields("status,new_task")


def test_a_frame_with_gid_alone_asks_for_everything():
    """No field of ours: all of them."""
    assert plan_for_columns(["gid", "mine", 7, "fetched_at", "error.kind"]) is EVERYTHING


def test_a_full_frame_asks_for_everything():
    """With all fields present, the plan keeps whatever else arrives."""
    assert plan_for_columns([column.name for column in FIELDS] + ["new_goal.name"]) is EVERYTHING


def test_a_narrow_frame_asks_for_its_own_fields():
    """Fields that are there are asked for; unknown parts of objects unless Asana refuses."""
    plan = plan_for_columns(["mine", "gid", "status", "new_goal.name", "new_total"])
    assert columns(plan) == ["status"]
    assert plan.opt_fields == ("status", "new_goal.name")
    assert plan.optional == {"new_goal.name"}


def test_no_name_is_a_bookkeeping_column():
    """``fetched_at`` and ``error.*`` are ours, not Asana's."""
    assert not set(NAMES) & (set(COLUMNS) - {column.name for column in FIELDS})
