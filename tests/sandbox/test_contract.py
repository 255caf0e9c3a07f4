"""What comes back is what Asana's OpenAPI description promises."""

from pathlib import Path

import pytest

import asana_jobs_pd.sandbox

from .conftest import Asker, fetch
from .contract import OBJECTS, violations

KINDS = {
    "duplicate_task": "new_task",
    "duplicate_project": "new_project",
    "duplicate_portfolio": "new_portfolio",
    "graph_export_request": "new_graph_export",
    "export_request": "new_resource_export",
    "instantiate_project": "new_project",
    "instantiate_task": "new_task",
    "save_project_as_template": "new_project_template",
    "save_task_as_template": "new_task_template",
}
ALWAYS = {"gid", "resource_type"}
LEAVES = {
    name: OBJECTS[kind.rstrip("?")].keys()
    for name, kind in OBJECTS["JobResponse"].items()
    if name.startswith("new_")
}
NEW = set(LEAVES)
FIELDS = ["resource_subtype", "status", *LEAVES]
FIELDS += [f"{name}.{leaf}" for name, leaves in LEAVES.items() for leaf in leaves - ALWAYS]
COMPACT = {name: leaves - {"created_by"} for name, leaves in LEAVES.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", ["not_started", "in_progress", "succeeded", "failed"])
def test_records_keep_to_the_description(asana, ask, kind, status):
    """Every kind of job, in every state, with any of its fields or all, is as described."""
    gid = asana.gids(1, kind)[0]
    asana.progress(gid, status=status)
    for fields in (None, FIELDS, *([field] for field in FIELDS)):
        data = ask.job(gid, fields).data
        assert violations(data, "JobResponse") == []
        for path in fields or ():
            assert path.partition(".")[0] in data


@pytest.mark.parametrize(("kind", "new"), KINDS.items())
def test_no_opt_fields_means_the_compact_record(asana, ask, kind, new):
    """Without `opt_fields` all keys come, the job's own object in its compact form."""
    gid = asana.gids(1, kind)[0]
    asana.finish(gid)
    data = ask.job(gid).data
    assert set(data) == {"gid", "resource_type", "resource_subtype", "status"} | NEW
    assert (data["gid"], data["resource_subtype"]) == (gid, kind)
    assert set(data[new]) == COMPACT[new]
    assert all(data[other] is None for other in NEW - {new})


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        (["new_task"], COMPACT["new_task"]),
        (["new_task.name"], {"gid", "name"}),
        (["new_task.created_by"], {"gid", "created_by"}),
        (["new_task.name", "new_task.resource_subtype"], {"gid", "name", "resource_subtype"}),
        (["new_task", "new_task.created_by"], COMPACT["new_task"] | {"created_by"}),
    ],
)
def test_opt_fields_select_exactly_what_is_asked_for(asana, ask, fields, keys):
    """A field brings itself, a path brings its leaf and the gid, and several unite."""
    gid = asana.gids(1, "duplicate_task")[0]
    data = ask.job(gid, fields).data
    assert set(data) == {"gid", "resource_type", "new_task"}
    assert set(data["new_task"]) == keys
    if "created_by" in keys:
        assert set(data["new_task"]["created_by"]) == {"gid", "resource_type"}


def test_an_object_of_another_kind_is_null_when_asked_for(asana, ask):
    """What a job does not bring about is present, and null."""
    gid = asana.gids(1, "duplicate_task")[0]
    data = ask.job(gid, ["new_project.name", "status"]).data
    assert data == {
        "gid": gid,
        "resource_type": "job",
        "new_project": None,
        "status": "succeeded",
    }


@pytest.mark.parametrize(
    "query",
    [
        "opt_fields=status,new_task.name",
        "opt_fields=status%2Cnew_task.name",
        "opt_fields=%20status%20,,new_task.name,status,",
        "opt_fields=status&opt_fields=new_task.name",
        "opt_fields=status+,new_task.name&other=1",
    ],
)
def test_opt_fields_may_be_written_in_several_ways(asana, ask, query):
    """Encoded commas, spaces, repeats and repeated parameters make no difference."""
    data = ask.path(f"/jobs/{asana.gids(1)[0]}?{query}").data
    assert set(data) == {"gid", "resource_type", "status", "new_task"}


@pytest.mark.parametrize("query", ["", "?opt_fields=", "?opt_fields=,%20,"])
def test_blank_opt_fields_are_none(asana, ask, query):
    """An empty list of fields means the compact record."""
    assert set(ask.path(f"/jobs/{asana.gids(1)[0]}{query}").data) > NEW


@pytest.mark.parametrize("field", ["new_taskk", "new_task.", "new_task.notes", "name", "status.x"])
def test_an_unknown_field_is_a_400_that_names_it(asana, ask, field):
    """A field this Asana does not know fails the request."""
    reply = ask.job(asana.gids(1)[0], ["status", field])
    assert reply.status == 400
    assert field in reply.error["message"]


def test_an_older_asana_knows_fewer_fields(sandbox):
    """`known_fields` decides what can be asked for, and what the compact record has."""
    older = [field for field in FIELDS if not field.startswith("new_portfolio")]
    asana = sandbox(known_fields=older)
    ask = Asker(asana)
    gid = asana.gids(1, "duplicate_portfolio")[0]
    assert ask.job(gid, FIELDS).status == 400
    assert ask.job(gid, older).status == 200
    assert set(ask.job(gid).data) & NEW == NEW - {"new_portfolio"}


@pytest.mark.parametrize(("pretty", "lines"), [("true", 10), ("false", 1)])
def test_opt_pretty_indents(asana, ask, pretty, lines):
    """`opt_pretty=true` breaks lines; the content is the same."""
    plain, other = (ask.job(asana.gids(1)[0], **o) for o in ({}, {"opt_pretty": pretty}))
    assert other.data == plain.data
    assert len(other.body.splitlines()) >= lines
    assert (b"\n" in other.body) is (pretty == "true")


@pytest.mark.parametrize("pretty", ["", "True", "1", "yes"])
def test_opt_pretty_is_true_or_false(asana, ask, pretty):
    """Anything else is a 400."""
    assert ask.job(asana.gids(1)[0], opt_pretty=pretty).status == 400


def test_answers_are_json_in_utf_8(asana, ask):
    """The content type says so; they are compact, and what is not ASCII is written as it is."""
    reply = ask.job(asana.gids(1)[0])
    assert b": " not in reply.body
    assert reply.headers["Content-Type"] == "application/json; charset=UTF-8"
    names = [ask.job(gid, ["new_task.name"]).body for gid in asana.gids(40, "duplicate_task")]
    assert any(byte > 127 for name in names for byte in name)


@pytest.mark.parametrize(
    ("path", "method", "status", "message"),
    [
        ("/jobs/123", "GET", 404, "job: Unknown object: 123"),
        ("/jobs/1299000000000000", "GET", 404, "job: Unknown object: 1299000000000000"),
        ("/jobs/abc", "GET", 400, "job: Not a Long: abc"),
        ("/jobs/12%2F..%2Fusers", "GET", 400, "job: Not a Long: 12/../users"),
        ("/jobs/%D9%A1%D9%A2", "GET", 400, "job: Not a Long: ١٢"),
        (f"/jobs/{'9' * 40}", "GET", 400, f"job: Not a Long: {'9' * 40}"),
        ("/jobs/", "GET", 404, "No matching route for request"),
        ("/jobs", "GET", 404, "No matching route for request"),
        ("/users/17", "GET", 404, "No matching route for request"),
        ("/jobs/123", "POST", 405, "POST: Method Not Allowed"),
        ("/jobs/123", "DELETE", 405, "DELETE: Method Not Allowed"),
    ],
)
def test_unknown_paths_are_refused_in_an_error_envelope(ask, path, method, status, message):
    """Unknown jobs, malformed gids, unknown paths and methods have Asana's error form."""
    reply = ask.path(path, method=method)
    assert (reply.status, reply.error["message"]) == (status, message)
    assert violations(reply.error, "Error") == []
    assert "https://developers.asana.com/docs/errors" in reply.error["help"]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", "Basic sandbox", "sandbox"]
)
def test_only_the_token_is_let_in(asana, authorization):
    """A missing or wrong bearer token is a 401, whatever is requested."""
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in (asana.gids(1)[0], "123"):
        reply = fetch(f"{asana.base_url}/jobs/{path}", headers=headers)
        assert (reply.status, reply.error["message"]) == (401, "Not Authorized")


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 412, 429, 451, 500, 502, 503, 504, 599]
)
def test_a_gid_can_answer_with_any_error(asana, ask, status):
    """`answer` decides what a gid answers, in the envelope, with a phrase on 500s only."""
    gid = asana.gids(1)[0]
    asana.answer(gid, status)
    reply = ask.job(gid)
    assert reply.status == status
    assert violations(reply.error, "Error") == []
    assert ("phrase" in reply.error) is (status == 500)
    asana.answer(gid, status, "in other words")
    assert ask.job(gid).error["message"] == "in other words"
    asana.answer(gid, 200)
    assert ask.job(gid).status == 200


def test_a_record_of_ones_own_is_served(asana, ask):
    """`record` serves what it is given; fields select from it, unknown keys always come."""
    record = {
        "gid": "12345",
        "resource_type": "job",
        "status": "succeeded",
        "new_goal": {"gid": "7", "name": "Grow"},
        "new_task": {"gid": "8", "resource_type": "task", "name": "T", "created_by": {}, "x": 1},
    }
    asana.record("12345", record)
    compact = {**record, "new_task": {"gid": "8", "resource_type": "task", "name": "T", "x": 1}}
    assert ask.job("12345").data == compact
    assert ask.job("12345", ["new_task.name"]).data == {
        "gid": "12345",
        "resource_type": "job",
        "new_goal": {"gid": "7", "name": "Grow"},
        "new_task": {"gid": "8", "name": "T", "x": 1},
    }


def test_a_record_is_kept_as_it_was(asana, ask):
    """What its owner does to it later does not show; what is not JSON is refused at once."""
    record = {"gid": "12345", "new_task": {"gid": "8"}}
    asana.record("12345", record)
    record["new_task"]["gid"] = "9"
    assert ask.job("12345").data["new_task"]["gid"] == "8"
    with pytest.raises(TypeError, match="not JSON serializable"):
        asana.record("12345", {"gid": object()})


def test_changes_are_announced_in_headers(sandbox):
    """`changes` become `Asana-Change` headers, one each, on errors too."""
    changes = ["name=one;info=https://example.com;affected=true", "name=two;info=…"]
    ask = Asker(sandbox(changes=changes))
    for gid in ("123", ask.asana.gids(1)[0]):
        assert ask.job(gid).headers.get_all("Asana-Change") == [
            change.encode().decode("latin-1") for change in changes
        ]


def test_the_sandbox_imports_nothing_of_the_package():
    """It judges the client, and so shares no code with it."""
    for file in Path(asana_jobs_pd.sandbox.__file__).parent.glob("*.py"):
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        above = ("import asana_jobs_pd", "from asana_jobs_pd", "from ..")
        assert not [line for line in lines if line.startswith(above)]
