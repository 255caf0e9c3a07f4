"""What would be sent, and what is refused before anything is."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, date, datetime

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._start.endpoints import ENDPOINTS
from asana_jobs_pd.errors import InvalidGidError, InvalidOptionError

CONTROLS = {"dry_run", "timeout", "stop", "errors", "client", "progress"}
EXPECTED = [
    ("export_graph", {}, "/exports/graph", {"parent": "12"}),
    (
        "export_resources",
        {"resources": "task"},
        "/exports/resource",
        {"workspace": "12", "export_request_parameters": [{"resource_type": "task"}]},
    ),
    (
        "duplicate_project",
        {
            "name": "Copy",
            "include": ["task_dates", "notes", "notes"],
            "schedule_dates": {"start_on": date(2026, 5, 21), "should_skip_weekends": False},
        },
        "/projects/12/duplicate",
        {
            "name": "Copy",
            "include": "task_dates,notes",
            "schedule_dates": {"should_skip_weekends": False, "start_on": "2026-05-21"},
        },
    ),
    ("duplicate_task", {}, "/tasks/12/duplicate", {}),
    (
        "duplicate_task",
        {"name": "Naïve 🚀", "include": "subtasks"},
        "/tasks/12/duplicate",
        {"name": "Naïve 🚀", "include": "subtasks"},
    ),
    (
        "duplicate_portfolio",
        {"name": "P", "include": ("rules", "child_projects")},
        "/portfolios/12/duplicate",
        {"name": "P", "include": "rules,child_projects"},
    ),
    (
        "instantiate_project",
        {
            "name": "N",
            "team": 77,
            "privacy_setting": "private",
            "is_strict": False,
            "requested_dates": {1: pd.Timestamp("2026-05-21 10:00"), "2": None},
            "requested_roles": {"5": "me", "6": "a@example.com", "7": 88},
        },
        "/project_templates/12/instantiateProject",
        {
            "name": "N",
            "team": "77",
            "privacy_setting": "private",
            "is_strict": False,
            "requested_dates": [
                {"gid": "1", "value": "2026-05-21"},
                {"gid": "2", "value": None},
            ],
            "requested_roles": [
                {"gid": "5", "value": "me"},
                {"gid": "6", "value": "a@example.com"},
                {"gid": "7", "value": "88"},
            ],
        },
    ),
    ("instantiate_task", {}, "/task_templates/12/instantiateTask", {}),
    (
        "save_project_as_template",
        {"name": "T", "public": False, "workspace": "3"},
        "/projects/12/saveAsTemplate",
        {"name": "T", "public": False, "workspace": "3"},
    ),
]


@pytest.mark.parametrize(("verb", "options", "path", "data"), EXPECTED)
def test_a_dry_run_shows_what_would_be_sent(verb, options, path, data):
    """Without a token or a network, for every verb: the path, and the body as Asana wants it."""
    frame = getattr(aj, verb)("12", dry_run=True, **options)
    assert frame.dtypes.astype(str).unique().tolist() == ["string"]
    (row,) = frame.to_dict("records")
    assert json.loads(row.pop("request.body")) == {"data": data}
    assert row == {
        "source.gid": "12",
        "source.action": verb,
        "request.method": "POST",
        "request.path": path,
    }


@pytest.mark.parametrize("verb", ENDPOINTS)
def test_signatures_are_the_table(verb):
    """Every option of the table is a keyword, required where Asana insists; so are the controls."""
    parameters = list(inspect.signature(getattr(aj, verb)).parameters.values())
    assert parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    if verb == "export_resources":
        parameters.pop(1)
    keywords = {each.name: each for each in parameters[1:]}
    options = {option.name: option for option in ENDPOINTS[verb].options if option.kind != "made"}
    assert set(keywords) == {*options, *CONTROLS}
    for name, each in keywords.items():
        assert each.kind is inspect.Parameter.KEYWORD_ONLY
        required = name in options and options[name].required
        assert (each.default is inspect.Parameter.empty) == required


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("duplicate_project", {"name": ""}, "name = '': give a text"),
        ("duplicate_project", {"name": None}, "needs name"),
        ("duplicate_project", {"name": 5}, "name = 5"),
        ("duplicate_project", {"name": "\ud83d"}, "half of a character"),
        ("duplicate_project", {"name": ["a", "b", "c"]}, "3 names for 2 gids"),
        ("duplicate_project", {"name": ["a", ""]}, "name[1] = ''"),
        ("duplicate_project", {"name": "x", "include": ["task_date"]}, "did you mean 'task_dates'"),
        ("duplicate_project", {"name": "x", "include": 7}, "include = 7"),
        (
            "duplicate_project",
            {"name": "x", "schedule_dates": {"should_skip_weekends": True, "due_on": "2026-01-01"}},
            "add 'task_dates' to include",
        ),
        (
            "duplicate_project",
            {"name": "x", "include": "task_dates", "schedule_dates": {"due_on": "2026-01-01"}},
            "should_skip_weekends",
        ),
        (
            "duplicate_project",
            {
                "name": "x",
                "include": "task_dates",
                "schedule_dates": {"should_skip_weekends": True, "due_on": "tomorrow"},
            },
            "schedule_dates['due_on'] = 'tomorrow' is not a day",
        ),
        ("duplicate_project", {"name": "x", "schedule_dates": "soon"}, "give a dict"),
        ("instantiate_project", {"name": "x", "privacy_setting": "secret"}, "privacy_setting"),
        ("instantiate_project", {"name": "x", "is_strict": 1}, "give True or False"),
        ("instantiate_project", {"name": "x", "requested_dates": {"1": 5}}, "is not a day"),
        ("save_project_as_template", {"name": "x", "public": "yes"}, "public = 'yes'"),
        ("export_graph", {"errors": "drop"}, "errors='drop'"),
        ("export_graph", {"timeout": -1}, "timeout=-1"),
        ("export_graph", {"timeout": float("nan")}, "timeout=nan"),
        ("export_graph", {"stop": True}, "stop is a bool"),
        ("export_graph", {"dry_run": "no"}, "dry_run='no'"),
        ("export_graph", {"client": "token"}, "client is a str"),
    ],
)
def test_options_are_checked_before_anything_is_sent(verb, options, words):
    """The error names the option, its value and the remedy; there is no token here to send with."""
    with pytest.raises(InvalidOptionError) as caught:
        getattr(aj, verb)(["12", "13"], **options)
    assert words in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("verb", "parents", "options", "words"),
    [
        ("export_graph", 12.0, {}, "12.0"),
        ("export_graph", ["12", "../me"], {}, "gids[1] = '../me'"),
        ("export_graph", "", {}, "''"),
        ("instantiate_project", "12", {"name": "x", "team": "t"}, "team = 't'"),
        ("instantiate_project", "12", {"name": "x", "requested_roles": {"5": "Ana"}}, "'Ana'"),
        ("instantiate_project", "12", {"name": "x", "requested_dates": {1.5: None}}, "1.5"),
    ],
)
def test_gids_are_checked_too(verb, parents, options, words):
    """Of parents, teams, dates, roles and people."""
    with pytest.raises(InvalidGidError) as caught:
        getattr(aj, verb)(parents, **options)
    assert words in str(caught.value)


def bodies(frame):
    return [json.loads(body)["data"]["name"] for body in frame["request.body"]]


def test_names_are_for_all_or_one_each():
    """One text for all parents, a list in their order, or several copies of one parent."""
    one = aj.duplicate_project(["1", "2"], name="x", dry_run=True)
    assert (bodies(one), one["source.gid"].tolist()) == (["x", "x"], ["1", "2"])
    each = aj.duplicate_project(["1", "2"], name=pd.Series(["a", "b"]), dry_run=True)
    assert (bodies(each), each["source.gid"].tolist()) == (["a", "b"], ["1", "2"])
    many = aj.instantiate_project("7", name=(f"Week {n}" for n in range(3)), dry_run=True)
    assert bodies(many) == ["Week 0", "Week 1", "Week 2"]
    assert many["source.gid"].tolist() == ["7"] * 3


def test_any_form_of_gids_will_do():
    """A frame, a Series, an int: as in reading."""
    for parents in (pd.DataFrame({"gid": ["5"]}), pd.Series(["5"]), 5, ["5"]):
        assert aj.export_graph(parents, dry_run=True)["source.gid"].tolist() == ["5"]
    assert len(aj.export_graph([], dry_run=True)) == 0
    assert len(aj.export_graph(["5", "5", "6"], dry_run=True)) == 2, "as many as would be sent"


def test_a_datetime_is_the_day_it_names():
    """Whatever its zone."""
    frame = aj.instantiate_project(
        "7",
        name="x",
        requested_dates={1: datetime(2026, 5, 21, 23, tzinfo=UTC)},
        dry_run=True,
    )
    assert '"value":"2026-05-21"' in frame["request.body"][0]
