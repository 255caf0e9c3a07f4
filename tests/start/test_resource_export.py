"""The builder of resource exports: what it makes and what it refuses."""

from __future__ import annotations

import inspect
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asana_jobs_pd as aj
from asana_jobs_pd._start.endpoints import iso_instant
from asana_jobs_pd._start.resource_export import export_parameters
from asana_jobs_pd.errors import InvalidFieldError, InvalidGidError, InvalidOptionError
from asana_jobs_pd.typing import ExportFilters, ResourceType

FILTERS = set(ExportFilters.__annotations__)


def test_keywords_are_the_published_filters():
    """Each filter is a keyword of tasks(); messages() lacks those that are for tasks only."""
    keywords = set(inspect.signature(aj.ResourceExport.tasks).parameters) - {"fields", "strict"}
    names = {name.replace(".any", "").replace("_at.", "_") for name in FILTERS}
    assert keywords == names
    messages = set(inspect.signature(aj.ResourceExport.messages).parameters) - {"fields", "strict"}
    assert keywords - messages == {"assignee", "assigned_by"}


def test_it_makes_what_asana_wants():
    """Gids as texts, once each; times in UTC; nothing that was not given."""
    wish = aj.ResourceExport.tasks(
        assignee=[5, "6", "5"],
        created_after=date(2026, 1, 1),
        modified_before=datetime(2026, 5, 21, 9, 30, tzinfo=timezone(timedelta(hours=2))),
        fields=["name", "assignee.name", "name"],
    )
    assert wish.parameter == {
        "resource_type": "task",
        "filters": {
            "assignee.any": ["5", "6"],
            "created_at.after": "2026-01-01T00:00:00Z",
            "modified_at.before": "2026-05-21T07:30:00Z",
        },
        "fields": ["name", "assignee.name"],
    }
    same = aj.ResourceExport("task", wish.filters, wish.fields)
    assert same == wish == pickle.loads(pickle.dumps(wish))


def test_every_filter_arrives_under_its_published_name():
    """The keywords are only another spelling."""
    people = np.array(["7"])
    for make, resource_type in (
        (aj.ResourceExport.tasks, "task"),
        (aj.ResourceExport.messages, "message"),
    ):
        for keyword in set(inspect.signature(make).parameters) - {"fields", "strict"}:
            moment = keyword.endswith(("_after", "_before"))
            wish = make(**{keyword: "2026-01-01" if moment else people})
            (name,) = wish.filters
            spelled = keyword.replace("_after", "_at.after").replace("_before", "_at.before")
            assert name == (spelled if moment else f"{keyword}.any")
            assert wish.resource_type == resource_type


def test_several_make_one_export():
    """Names and builders, alone or mixed."""
    assert export_parameters("team") == [{"resource_type": "team"}]
    mixed = export_parameters(["task", aj.ResourceExport.teams(fields="name")])
    assert mixed == [
        {"resource_type": "task"},
        {"resource_type": "team", "fields": ["name"]},
    ]
    assert [one["resource_type"] for one in export_parameters(get_args(ResourceType))] == [
        "task",
        "team",
        "message",
    ]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: aj.ResourceExport("tasks"), InvalidOptionError, "did you mean 'task'"),
        (lambda: aj.ResourceExport("story"), InvalidOptionError, "'story': possible values: task,"),
        (lambda: export_parameters("project"), InvalidOptionError, "resources = 'project'"),
        (lambda: export_parameters([]), InvalidOptionError, "resources is empty"),
        (lambda: export_parameters(None), InvalidOptionError, "resources = None"),
        (lambda: aj.ResourceExport.tasks(assignee="ana"), InvalidGidError, "assignee.any"),
        (lambda: aj.ResourceExport.tasks(assignee=[]), InvalidOptionError, "is empty"),
        (lambda: aj.ResourceExport.tasks(assignee=1.5), InvalidGidError, "1.5"),
        (
            lambda: aj.ResourceExport("task", {"asignee.any": ["1"]}),
            InvalidOptionError,
            "did you mean 'assignee.any'",
        ),
        (
            lambda: aj.ResourceExport("message", {"assignee.any": ["1"]}),
            InvalidOptionError,
            "assignee.any",
        ),
        (
            lambda: aj.ResourceExport("team", {"created_by.any": ["1"]}),
            InvalidOptionError,
            "no filters for teams",
        ),
        (lambda: aj.ResourceExport("task", ["a"]), InvalidOptionError, "give a dict"),
        (
            lambda: aj.ResourceExport.tasks(created_after="last week"),
            InvalidOptionError,
            "'last week' is not a time",
        ),
        (
            lambda: aj.ResourceExport.tasks(created_after="2026-01-01T10:00:00"),
            InvalidOptionError,
            "has no time zone",
        ),
        (
            lambda: aj.ResourceExport.tasks(created_after=pd.NaT),
            InvalidOptionError,
            "is not a time",
        ),
        (
            lambda: aj.ResourceExport.tasks(
                created_after="2026-01-02", created_before="2026-01-01"
            ),
            InvalidOptionError,
            "nothing would match both",
        ),
        (
            lambda: aj.ResourceExport.tasks(fields=["nmae"]),
            InvalidFieldError,
            "did you mean 'name'",
        ),
        (
            lambda: aj.ResourceExport.tasks(fields=["a,b"]),
            InvalidFieldError,
            "'a,b' is not a field name",
        ),
        (lambda: aj.ResourceExport.teams(fields=5), InvalidFieldError, "fields = 5"),
        (lambda: aj.ResourceExport.messages(fields=["completed"]), InvalidFieldError, "message"),
    ],
)
def test_invalid_values_are_refused_with_a_remedy(make, error, words):
    """The error names the value and the alternatives, without a chain of errors."""
    with pytest.raises(error) as caught:
        make()
    assert words in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_strict_false_lets_new_fields_through():
    """What Asana adds later can be asked for."""
    assert aj.ResourceExport.tasks(fields=["new_thing.name"], strict=False).fields == (
        "new_thing.name",
    )


@settings(max_examples=25)
@given(st.datetimes(timezones=st.timezones()))
def test_times_keep_their_instant(moment):
    """To the millisecond, whatever the zone."""
    text = iso_instant("x", moment)
    assert text.endswith("Z")
    assert abs(datetime.fromisoformat(text) - moment.astimezone(UTC)) < timedelta(milliseconds=1)
