"""What would be sent, and what is refused before any request."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    options = {
        option.name: option
        for option in ENDPOINTS[verb].options
        if option.name != "export_request_parameters"
    }
    of_exports = {"max_age"} if verb.startswith("export_") else set()
    assert set(keywords) == {*options, *CONTROLS, *of_exports}
    for name, each in keywords.items():
        assert each.kind is inspect.Parameter.KEYWORD_ONLY
        required = name in options and options[name].required
        assert (each.default is inspect.Parameter.empty) == required


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("duplicate_project", {"name": ""}, "name = '': give a non-empty text"),
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
        ("export_graph", b"12", {}, "b'12'"),
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


PROJECT = [
    "https://app.asana.com/0/12",
    "https://app.asana.com/0/12/list",
    "https://app.asana.com/0/12/12",
    "https://app.asana.com/0/12/board/34",
    "https://app.asana.com/0/12/calendar?completed_since=5",
    "https://app.asana.com/1/99/project/12",
    "https://app.asana.com/1/99/project/12/list/34",
    "https://app.asana.com/1/99/project/12/timeline",
    "https://app.asana.com/1/99/portfolio/34/project/12",
    "https://app.asana.com/api/1.0/projects/12",
]
TASK = [
    "https://app.asana.com/0/99/12",
    "https://app.asana.com/0/99/12/f",
    "https://app.asana.com/0/0/12/f",
    "https://app.asana.com/0/inbox/99/12/34",
    "https://app.asana.com/0/search/99/12",
    "https://app.asana.com/0/home/99/12",
    "https://app.asana.com/1/99/task/12",
    "https://app.asana.com/1/99/project/98/task/12",
    "https://app.asana.com/1/99/project/98/task/12?focus=true",
    "https://app.asana.com/1/99/project/98/task/12/comment/34",
    "https://app.asana.com/1/99/search/98/task/12",
    "https://app.asana.com/1/99/inbox/98/item/12/story/34",
    "https://app.asana.com/1/99/project/98/task/97/subtask/12",
    "https://app.asana.com/api/1.0/tasks/12",
]
PORTFOLIO = [
    "https://app.asana.com/0/portfolio/12",
    "https://app.asana.com/0/portfolio/12/list",
    "https://app.asana.com/0/resource/12/list",
    "https://app.asana.com/1/99/portfolio/12/list/34",
]
PROJECT_TEMPLATE = [
    "https://app.asana.com/0/project-templates/12/list",
    "https://app.asana.com/1/99/project-template/12",
    "https://app.asana.com/1/99/project_template/12/list",
    "https://app.asana.com/api/1.0/project_templates/12",
]
TASK_TEMPLATE = [
    "https://app.asana.com/0/task-templates/12",
    "https://app.asana.com/1/99/project/98/task-template/12",
]
TEAM = ["https://app.asana.com/0/team/12", "https://app.asana.com/1/99/team/12/overview"]
GOAL = [
    "https://app.asana.com/0/goal/12",
    "https://app.asana.com/0/goals/12",
    "https://app.asana.com/1/99/goal/12",
]
WORKSPACE = [
    "https://app.asana.com/0/home/12",
    "https://app.asana.com/1/12",
    "https://app.asana.com/1/12/home",
    "https://app.asana.com/admin/12/insights",
]
URLS = {
    "export_graph": (*PROJECT, *PORTFOLIO, *TEAM, *GOAL),
    "export_resources": WORKSPACE,
    "duplicate_project": PROJECT,
    "duplicate_task": TASK,
    "duplicate_portfolio": PORTFOLIO,
    "instantiate_project": PROJECT_TEMPLATE,
    "instantiate_task": TASK_TEMPLATE,
    "save_project_as_template": PROJECT,
}
NEEDED = {
    "export_resources": {"resources": "task"},
    "duplicate_project": {"name": "x"},
    "duplicate_portfolio": {"name": "x"},
    "instantiate_project": {"name": "x"},
    "save_project_as_template": {"name": "x", "public": True},
}
ALL_URLS = {
    *PROJECT, *TASK, *PORTFOLIO, *PROJECT_TEMPLATE, *TASK_TEMPLATE, *TEAM, *GOAL, *WORKSPACE,
    "https://app.asana.com/api/1.0/jobs/12", "https://app.asana.com/1/99/profile/12",
}  # fmt: skip
SPELLINGS = [
    "{}/", "{}#_=_", " {}\n", "'{}'", '"{}"', "\ufeff{}",
    "{0}?utm_source=slack&share=1/2", "{0}/?a=/0/5/6",
]  # fmt: skip


@pytest.mark.parametrize("verb", ENDPOINTS)
def test_web_urls_of_what_a_verb_starts_from_will_do(verb):
    """By Asana's old and new patterns; the gid is the object's, wherever it is."""
    urls = list(URLS[verb])
    frame = getattr(aj, verb)(urls, dry_run=True, **NEEDED.get(verb, {}))
    assert set(frame["source.gid"]) == {"12"}
    for url in urls:
        plain = url.partition("?")[0]
        others = [spelling.format(plain) for spelling in SPELLINGS]
        others += [url.removeprefix("https://"), url.replace("https:", "http:")]
        others += [url.replace("app.asana.com", "APP.Asana.COM"), url.replace("https", "HTTPS")]
        others += [url.replace(".com/", ".com:443/")]
        for other in others:
            again = getattr(aj, verb)(other, dry_run=True, **NEEDED.get(verb, {}))
            assert again["source.gid"].tolist() == ["12"], other


@pytest.mark.parametrize("between", ["\n", " ", "?a=1\n", "/list\n", "#x "])
def test_two_urls_in_one_text_are_refused(between):
    """The second would be lost."""
    with pytest.raises(InvalidGidError, match="No request was made"):
        aj.export_graph(
            f"https://app.asana.com/0/12{between}https://app.asana.com/0/13", dry_run=True
        )


@pytest.mark.parametrize("verb", ENDPOINTS)
def test_urls_of_other_objects_are_named(verb):
    """No other number of the URL is taken.

    The error says what the URL shows and what the verb needs.
    """
    for url in sorted(ALL_URLS - set(URLS[verb])):
        with pytest.raises(
            InvalidGidError, match=rf"is the URL of a .*; {verb} needs a "
        ) as caught:
            getattr(aj, verb)(["5", url], dry_run=True, **NEEDED.get(verb, {}))
        assert "No request was made" in str(caught.value)
        assert "1 of 2 values" in str(caught.value)
        assert "?" not in str(caught.value).replace("?…", "")


@pytest.mark.parametrize(
    "url",
    [
        "https://app.asana.com/0/portfolio/34/12",
        "https://app.asana.com/0/goals/12/list?view_mode=domain_level",
        "https://app.asana.com/0/12/projects",
        "https://app.asana.com/0/inbox/12",
        "https://app.asana.com/0/0",
        "https://app.asana.com/0/012",
        "https://app.asana.com/0/\u0661\u0662",
        "https://app.asana.com/0/12a",
        "https://app.asana.com/0/my-tasks",
        "https://app.asana.com/1/99/project/98/status/12",
        "https://app.asana.com/1/99/project/98/12",
        "https://app.asana.com/1/99/inbox/12",
        "https://app.asana.com/1/x/project/12",
        "https://app.asana.com/1/project/12",
        "https://app.asana.com/2/12",
        "https://app.asana.com/12",
        "https://app.asana.com/",
        "https://app.asana.com",
        "https://app.asana.com.example.com/0/12",
        "https://asana.com/0/12",
        "https://form.asana.com/0/12",
        "https://example.com/https://app.asana.com/0/12",
        "https://app.asana.com@example.com/0/12",
        "https://user:secret@app.asana.com/0/12",
        "ftp://app.asana.com/0/12",
        "https://app.asana.com:8443/0/12",
        "https://app.asana.com/0/12 https://app.asana.com/0/13",
        "https://app.asana.com/api/1.0/projects/12/tasks",
        "https://app.asana.com/0/12\nlist",
    ],
)
def test_a_url_that_shows_no_certain_object_is_refused(url):
    """Nothing is guessed: other hosts, other patterns, other digits."""
    for verb in ENDPOINTS:
        with pytest.raises(InvalidGidError) as caught:
            getattr(aj, verb)(url, dry_run=True, **NEEDED.get(verb, {}))
        assert "secret" not in str(caught.value)
        assert "URL of a job" not in str(caught.value)


@given(
    st.lists(
        st.sampled_from(["0", "1", "12", "34", "project", "task", "list", "goal", "x", ""]),
        max_size=6,
    )
)
def test_a_url_gives_a_number_that_its_word_stands_before(parts):
    """In a new URL, never a number of another object; and nothing but our own error."""
    url = "https://app.asana.com/1/" + "/".join(parts)
    try:
        frame = aj.duplicate_project(url, name="x", dry_run=True)
    except InvalidGidError:
        return
    assert f"project/{frame['source.gid'][0]}" in url


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


@pytest.mark.parametrize("verb", ENDPOINTS)
def test_every_docstring_describes_every_option(verb):
    """The shared ones are written once, and shown by the help of each function."""
    function = getattr(aj, verb)
    lines = function.__doc__.splitlines()
    assert not [name for name in inspect.signature(function).parameters if name not in lines]
    assert lines.count("Returns") == lines.count("Parameters") == 1
