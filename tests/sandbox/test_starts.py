"""The POSTs that start jobs answer as Asana does, and keep to its limits."""

from __future__ import annotations

import json
import zlib
from contextlib import ExitStack

import pytest
from driven import until

from .conftest import Asker, connected, fetch, read_reply
from .contract import violations

RESOURCE = {"export_request_parameters": [{"resource_type": "task"}]}
GOOD = {
    "graph_export_request": ("/exports/graph", "goal", {}),
    "export_request": ("/exports/resource", "workspace", RESOURCE),
    "duplicate_project": ("/projects/{}/duplicate", "project", {"name": "x"}),
    "duplicate_task": ("/tasks/{}/duplicate", "task", {}),
    "duplicate_portfolio": ("/portfolios/{}/duplicate", "portfolio", {"name": "x"}),
    "instantiate_project": (
        "/project_templates/{}/instantiateProject",
        "project_template",
        {"name": "x", "requested_dates": [{"gid": "1", "value": "2026-01-01"}]},
    ),
    "instantiate_task": ("/task_templates/{}/instantiateTask", "task_template", {}),
    "save_project_as_template": (
        "/projects/{}/saveAsTemplate",
        "project",
        {"name": "x", "public": True},
    ),
}


def post(ask, path, data=None, *, body=None):
    """Send a POST; `data` becomes Asana's envelope."""
    content = json.dumps({"data": data}) if body is None else body
    headers = {**ask.headers, "Content-Type": "application/json"}
    return fetch(ask.asana.base_url + path, method="POST", headers=headers, body=content)


def begin(ask, subtype, parent=None, **more):
    """Start a job of a kind from a parent."""
    path, kind, data = GOOD[subtype]
    parent = parent or ask.asana.parents(1, kind)[0]
    member = {"/exports/graph": "parent", "/exports/resource": "workspace"}.get(path)
    named = {member: parent} if member else {}
    return post(ask, path.format(parent), {**data, **named, **more})


@pytest.mark.parametrize("subtype", GOOD)
def test_a_post_starts_a_job(asana, ask, subtype):
    """201 with the job as described; it goes its way, and is there under its gid."""
    reply = begin(ask, subtype)
    assert reply.status == 201
    assert violations(reply.data, "JobResponse") == []
    assert (reply.data["resource_subtype"], reply.data["status"]) == (subtype, "not_started")
    gid = reply.data["gid"]
    asana.advance(1.1)
    assert ask.job(gid).data["status"] == "in_progress"
    asana.advance(5)
    done = ask.job(gid).data
    assert done["status"] == "succeeded"
    assert any(done[key] for key in done if key.startswith("new_"))
    assert (asana.stats.jobs_started, asana.stats.most_running) == (1, 1)


def test_opt_fields_select_of_the_job_too(ask):
    """As in reading it; an unknown one starts nothing."""
    (task,) = ask.asana.parents(1, "task")
    reply = post(ask, f"/tasks/{task}/duplicate?opt_fields=status", {})
    assert set(reply.data) == {"gid", "resource_type", "status"}
    assert post(ask, f"/tasks/{task}/duplicate?opt_fields=nope", {}).status == 400
    assert ask.asana.stats.jobs_started == 1


@pytest.mark.parametrize(
    ("subtype", "more", "message"),
    [
        ("duplicate_project", {"name": None}, "name: Missing input"),
        ("duplicate_project", {"name": ""}, "name: Missing input"),
        ("duplicate_project", {"name": 5}, "name: Not a String: 5"),
        ("duplicate_project", {"nmae": "x"}, "nmae: Unrecognized parameter"),
        ("duplicate_project", {"include": "notes,nope"}, "include: Not a valid value: nope"),
        ("duplicate_project", {"include": ["notes"]}, "include: Not a String: ['notes']"),
        ("duplicate_project", {"schedule_dates": {}}, "should_skip_weekends: Missing input"),
        (
            "duplicate_project",
            {
                "include": "task_dates",
                "schedule_dates": {
                    "should_skip_weekends": True,
                    "start_on": "2026-01-01",
                    "due_on": "2026-01-01",
                },
            },
            "schedule_dates: Must specify either start_on or due_on, but not both",
        ),
        (
            "duplicate_project",
            {"schedule_dates": {"should_skip_weekends": True, "start_on": "2026-01-01"}},
            "schedule_dates: task_dates must be included",
        ),
        ("instantiate_project", {"is_strict": "no"}, "is_strict: Not a boolean: no"),
        ("instantiate_project", {"team": "t"}, "team: Not a Long: t"),
        ("instantiate_project", {"privacy_setting": "x"}, "privacy_setting: Not a valid value: x"),
        ("instantiate_project", {"requested_dates": {}}, "requested_dates: Not an array: {}"),
        (
            "instantiate_project",
            {"requested_dates": [{"gid": "1", "value": "soon"}]},
            "value: Not a valid date: soon",
        ),
        ("save_project_as_template", {"public": None}, "public: Missing input"),
        (
            "export_request",
            {"export_request_parameters": []},
            "export_request_parameters: Missing input",
        ),
        (
            "export_request",
            {"export_request_parameters": [{"resource_type": "goal"}]},
            "resource_type: Not a valid value: goal",
        ),
        (
            "export_request",
            {
                "export_request_parameters": [
                    {"resource_type": "message", "filters": {"assignee.any": ["1"]}}
                ]
            },
            "assignee.any: Unrecognized parameter",
        ),
        (
            "export_request",
            {
                "export_request_parameters": [
                    {"resource_type": "task", "filters": {"created_at.after": "2026-01-01"}}
                ]
            },
            "created_at.after: Not a valid date-time: 2026-01-01",
        ),
        ("graph_export_request", {"parent": "me"}, "parent: Not a Long: me"),
    ],
)
def test_invalid_bodies_are_refused_with_400(asana, ask, subtype, more, message):
    """The reason is in Asana's envelope; no job is started."""
    reply = begin(ask, subtype, **more)
    assert (reply.status, reply.error["message"]) == (400, message)
    assert asana.stats.jobs_started == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "Could not parse request data, invalid JSON"),
        ("[]", "data: Not an object: None"),
        ('{"data": 5}', "data: Not an object: 5"),
    ],
)
def test_a_body_that_is_none_is_a_400(ask, body, message):
    """Whatever it is."""
    reply = post(ask, "/exports/graph", body=body)
    assert (reply.status, reply.error["message"]) == (400, message)


@pytest.mark.parametrize(
    ("path", "data", "name"),
    [
        ("/exports/graph", {"parent": "123"}, "parent"),
        ("/tasks/123/duplicate", {}, "task"),
        ("/tasks/{project}/duplicate", {}, "task"),
        ("/exports/resource", {"workspace": "123", **RESOURCE}, "workspace"),
    ],
)
def test_a_parent_that_is_not_there_is_a_404(asana, ask, path, data, name):
    """Nor may it be of another kind."""
    path = path.format(project=asana.parents(1)[0])
    reply = post(ask, path, data)
    assert reply.status == 404
    assert reply.error["message"].startswith(f"{name}: Unknown object: ")


def test_a_parent_can_be_forbidden(asana, ask):
    """And allowed again."""
    (parent,) = asana.parents(1, "goal")
    asana.answer(parent, 403)
    assert begin(ask, "graph_export_request", parent).status == 403
    asana.answer(parent, 403, "because")
    assert begin(ask, "graph_export_request", parent).error["message"] == "because"
    asana.answer(parent, 200)
    assert begin(ask, "graph_export_request", parent).status == 201


def test_five_jobs_run_at_a_time(asana, ask):
    """The sixth is a 429 without a time, until one of them has ended."""
    gids = [begin(ask, "duplicate_task").data["gid"] for _ in range(5)]
    reply = begin(ask, "instantiate_task")
    assert (reply.status, reply.headers["Retry-After"]) == (429, None)
    asana.finish(gids[3])
    assert begin(ask, "instantiate_task").status == 201
    assert begin(ask, "instantiate_task").status == 429
    assert (asana.stats.jobs_started, asana.stats.most_running) == (6, 5)


def test_the_number_of_jobs_can_be_chosen(sandbox):
    """Or be without a limit."""
    ask = Asker(sandbox(max_jobs=None))
    assert {begin(ask, "duplicate_task").status for _ in range(8)} == {201}
    ask = Asker(sandbox(max_jobs=1))
    assert [begin(ask, "duplicate_task").status for _ in range(2)] == [201, 429]


def test_one_resource_export_runs_in_a_workspace(asana, ask):
    """The second is a 403; in another workspace, or afterwards, it is none."""
    one, two = asana.parents(2, "workspace")
    assert begin(ask, "export_request", one).status == 201
    refusal = begin(ask, "export_request", one)
    assert (refusal.status, "in progress" in refusal.error["message"]) == (403, True)
    assert begin(ask, "export_request", two).status == 201
    asana.advance(10)
    assert begin(ask, "export_request", one).status == 201


@pytest.mark.parametrize("kind", ["portfolio", "team"])
def test_large_graph_exports_are_cached_for_four_hours(asana, ask, kind):
    """Another job, but the export of before; then a fresh one."""
    (parent,) = asana.parents(1, kind)
    first = begin(ask, "graph_export_request", parent).data["gid"]
    asana.advance(3600)
    again = begin(ask, "graph_export_request", parent).data
    assert (again["gid"] != first, again["status"]) == (True, "succeeded")
    new = ask.job(again["gid"]).data["new_graph_export"]
    assert new["completed_at"] == ask.job(first).data["new_graph_export"]["completed_at"]
    asana.advance(4 * 3600)
    assert begin(ask, "graph_export_request", parent).data["status"] == "not_started"


def test_posts_in_flight_are_counted_apart(sandbox):
    """A full lane of POSTs leaves room for GETs, and the other way round."""
    asana = sandbox(max_in_flight=1, max_posts_in_flight=2, max_jobs=None)
    ask = Asker(asana)
    (task,) = asana.parents(1, "task")
    asana.fault("delay", times=3, seconds=1.0)
    lines = "\r\n".join(["Host: sandbox", f"Authorization: {ask.headers['Authorization']}"])
    slow = f"POST /api/1.0/tasks/{task}/duplicate HTTP/1.1\r\n{lines}\r\n\r\n".encode()
    with ExitStack() as stack:
        bare = [stack.enter_context(connected(asana)) for _ in range(3)]
        for each in bare[:2]:
            each.sendall(slow)
        until(lambda: asana.stats.requests == 2)
        bare[2].sendall(ask.request(asana.gids(1)[0]))
        until(lambda: asana.stats.requests == 3)
        assert begin(ask, "duplicate_task").status == 429
        assert ask.job(asana.gids(1)[0]).status == 429
        assert [read_reply(each).status for each in bare] == [201, 201, 200]
    assert asana.stats.throttled_in_flight == 2


def test_faults_strike_before_or_after_the_job_is_started(asana, ask):
    """After: it is there, whatever the client gets to see. Before: it is not."""
    asana.fault("reset", method="POST")
    asana.fault("status", status=500, method="POST", early=True)
    asana.fault("status", status=503, method="POST")
    assert ask.job(asana.gids(1)[0]).status == 200, "not meant"
    with pytest.raises(ConnectionResetError):
        begin(ask, "duplicate_task")
    assert asana.stats.jobs_started == 1
    assert begin(ask, "duplicate_task").status == 500
    assert asana.stats.jobs_started == 1
    assert begin(ask, "duplicate_task").status == 503
    assert asana.stats.jobs_started == 2


def test_a_fault_can_be_meant_for_a_parent(asana, ask):
    """Of a path or of a body."""
    (goal,), (task,) = asana.parents(1, "goal"), asana.parents(1, "task")
    for gid in (goal, task):
        asana.fault("status", status=500, gid=gid)
    assert begin(ask, "instantiate_task").status == 201
    assert begin(ask, "graph_export_request", goal).status == 500
    assert begin(ask, "duplicate_task", task).status == 500


def test_sent_bodies_are_in_requests(asana, ask):
    """So that tests can check a client; a GET has no body."""
    begin(ask, "duplicate_task", name="é")
    ask.job("1")
    sent, asked = asana.requests
    assert (sent.method, json.loads(sent.body)) == ("POST", {"data": {"name": "é"}})
    assert (asked.method, asked.body) == ("GET", "")


def test_other_methods_and_strangers_are_refused(asana, ask):
    """405 with what is allowed, 401 without a token, 404 elsewhere."""
    (task,) = asana.parents(1, "task")
    reply = ask.path(f"/tasks/{task}/duplicate")
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert fetch(f"{asana.base_url}/exports/graph", method="POST", body="{}").status == 401
    assert post(ask, "/projects", {}).status == 404


def test_there_are_parents_of_every_kind(asana):
    """The same for every seed; no other kinds."""
    assert asana.parents(2, "task", start=1)[0] == asana.parents(2, "task")[1]
    with pytest.raises(ValueError, match="unknown kind of parent"):
        asana.parents(1, "user")


def test_the_date_of_an_answer_is_the_sandboxs_own(asana, ask):
    """As are all times in it."""
    asana.advance(3600)
    assert ask.job(asana.gids(1)[0]).headers["Date"] == "Thu, 01 Jan 2026 01:00:00 GMT"


def test_a_resource_export_has_what_was_asked_for(asana, ask):
    """Its `fields`, and the rows that pass its `filters`; the same row twice where they overlap."""
    everything = {"resource_type": "task", "fields": ["completed"]}
    recent = everything | {"filters": {"created_at.after": "2025-01-01T00:00:00Z"}}
    found = []
    for parameters in ([everything], [recent], [everything, recent, {"resource_type": "team"}]):
        (workspace,) = asana.parents(1, "workspace", start=len(found))
        asked = {"export_request_parameters": parameters}
        gid = begin(ask, "export_request", workspace, **asked).data["gid"]
        file = fetch(asana.export_url(gid, "export_request")).body
        found.append([json.loads(line) for line in zlib.decompress(file, 31).splitlines()])
    assert {tuple(row) for row in found[0]} == {("gid", "resource_type", "completed")}
    assert 0 < len(found[1]) < len(found[0])
    assert [row for row in found[2] if row["resource_type"] == "task"] == found[0] + found[1]


def test_the_graph_export_of_a_goal_has_the_whole_workspace(asana, ask):
    """However many rows that is: every task of a time entry, and every project of a task."""
    gid = begin(ask, "graph_export_request", *asana.parents(1, "goal")).data["gid"]
    file = fetch(asana.export_url(gid, "graph_export")).body
    rows = [json.loads(line) for line in zlib.decompress(file, 31).splitlines()]
    gids = {row["gid"] for row in rows if "gid" in row}
    found = [row["task"] for row in rows if row["resource_type"] == "time_tracking_entry"]
    found += [each["project"] for row in rows for each in row.get("memberships", ())]
    assert found
    assert {each["gid"] for each in found} <= gids


def test_the_file_of_a_started_job_may_change(asana, ask):
    """As that of any other job."""
    gid = begin(ask, "graph_export_request", *asana.parents(1)).data["gid"]
    url = asana.export_url(gid, "graph_export")
    before = fetch(url).body
    asana.republish(gid)
    assert fetch(url).body != before
