"""Reading over real sockets: rows, errors, limits, and no losses."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._http import client as client_module
from asana_jobs_pd._jobs import read as read_module
from asana_jobs_pd.errors import (
    AsanaChangeWarning,
    AsanaValueWarning,
    AuthenticationError,
    BodyError,
    InvalidFieldError,
    InvalidGidError,
    InvalidOptionError,
    NetworkError,
    PartialReadError,
    ReadInterrupted,
    StatusError,
    TokenError,
)
from asana_jobs_pd.sandbox import Clock, Sandbox


def read(gids, client, **options):
    return aj.read_asana_jobs(gids, client=client, **options)


def test_all_kinds_of_jobs_arrive(asana, client):
    """One typed row a job, in the order of the gids, each asked for once."""
    gids = asana.gids(27)[::-1]
    jobs = read(gids, client)
    assert list(jobs["gid"]) == gids
    assert jobs["resource_subtype"].nunique() == 9
    assert jobs["status"].notna().all()
    assert jobs["error.kind"].isna().all()
    assert asana.stats.requests == 27


def test_repeated_gids_are_asked_for_once(asana, client):
    """Repeats keep their rows and cost nothing."""
    one, two = asana.gids(2)
    jobs = read([one, two, one, one], client)
    assert list(jobs["gid"]) == [one, two, one, one]
    assert jobs.index.equals(pd.RangeIndex(4))
    assert asana.stats.requests == 2


def test_no_gids_send_nothing_and_need_no_token():
    """An empty list gives an empty frame of the full shape."""
    jobs = aj.read_asana_jobs([])
    assert len(jobs) == 0
    assert jobs["new_graph_export.created_at"].dtype == "datetime64[us, UTC]"


def test_only_the_fields_named_are_asked_for(asana, client):
    """The query holds them, comma-separated."""
    jobs = read(asana.gids(1), client, fields=["status", "new_task.name"])
    assert list(jobs.columns[:3]) == ["gid", "status", "new_task.name"]
    assert asana.requests[0].opt_fields == ("status", "new_task.name")


def test_undocumented_fields_that_arrive_are_kept(asana, client):
    """An unknown ``new_*`` object is flattened into columns."""
    gid = asana.gids(1)[0]
    asana.record(gid, {"gid": gid, "status": "odd", "new_goal": {"gid": "7", "name": "Grow"}})
    jobs = read([gid], client)
    assert jobs.at[0, "new_goal.name"] == "Grow"
    assert jobs.at[0, "status"] == "odd"


def test_fetched_at_says_when_it_was_asked(asana, client):
    """In UTC, for every row."""
    before = pd.Timestamp.now("UTC").floor("us")
    jobs = read(asana.gids(2), client)
    assert jobs["fetched_at"].between(before, pd.Timestamp.now("UTC")).all()


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_errors_raise_at_the_end_with_everything(asana, client, status):
    """All is read first; the error carries the frame and each gid's error."""
    good, bad, last = asana.gids(3)
    asana.answer(bad, status)
    with aj.Client(asana.token, base_url=asana.base_url, max_retries=0) as quick:
        with pytest.raises(PartialReadError) as caught:
            read([good, bad, last], quick)
    error = caught.value
    assert list(error.errors) == [bad]
    assert isinstance(error.errors[bad], StatusError)
    assert error.errors[bad].status == status
    assert list(error.frame["gid"]) == [good, bad, last]
    assert list(error.frame["error.status"].fillna(0)) == [0, status, 0]
    assert error.frame["status"].isna().tolist() == [False, True, False]
    assert bad in str(error)
    assert str(status) in str(error)


def test_coerce_says_in_the_row_what_went_wrong(asana, client):
    """Status, kind, message, help and phrase, typed."""
    gid = asana.gids(1)[0]
    asana.answer(gid, 500)
    with aj.Client(asana.token, base_url=asana.base_url, max_retries=0) as quick:
        row = read([gid], quick, errors="coerce").iloc[0]
    assert row["error.status"] == 500
    assert row["error.kind"] == "http"
    assert row["error.message"]
    assert len(row["error.phrase"].split()) == 5
    assert pd.isna(row["status"])


def test_drop_leaves_rows_out(asana, client):
    """The other rows follow each other."""
    one, two = asana.gids(2)
    jobs = read([one, "999", two], client, errors="drop")
    assert list(jobs["gid"]) == [one, two]
    assert jobs.index.equals(pd.RangeIndex(2))


def test_many_failures_are_summed_up(asana, client):
    """The message stays readable; ``.errors`` has them all."""
    gids = [str(n) for n in range(1, 21)]
    with pytest.raises(
        PartialReadError, match=r"20 of 20 jobs.*\n.*\n.*\n.*\n  … and 17 more"
    ) as caught:
        read(gids, client)
    assert list(caught.value.errors) == gids


def test_401_stops_at_once(asana):
    """A refused token ends the read, whatever ``errors`` says; what came before is there."""
    with aj.Client("wrong", base_url=asana.base_url, max_in_flight=1) as client:
        with pytest.raises(AuthenticationError, match="token") as caught:
            read(asana.gids(9), client, errors="coerce")
    assert len(caught.value.frame) == 9
    assert list(caught.value.frame["error.status"].dropna()) == [401]
    assert asana.stats.requests == 1


@pytest.mark.parametrize("fault", ["garbage", "html", "empty"])
def test_bodies_that_are_not_jobs_are_reported(asana, client, fault):
    """A proxy's page with status 200 is an error of kind body, not a crash."""
    asana.fault(fault, status=200)
    with pytest.raises(PartialReadError) as caught:
        read(asana.gids(1), client)
    (error,) = caught.value.errors.values()
    assert isinstance(error, BodyError)
    assert caught.value.frame.at[0, "error.kind"] == "body"


@pytest.mark.parametrize("fault", ["reset", "truncate"])
def test_broken_connections_are_tried_again(asana, client, fault):
    """A cut connection delays the read and costs no row."""
    asana.fault(fault, times=2)
    jobs = read(asana.gids(5), client)
    assert jobs["status"].notna().all()


def test_a_400_to_the_default_fields_drops_those_not_all_asanas_know():
    """The read continues without these two objects, and they are not requested again."""
    known = [n for n in fetch_fields() if not n.startswith(("new_portfolio", "new_task_template"))]
    with Sandbox(clock=Clock(), known_fields=known) as asana, client_of(asana) as client:
        jobs = read(asana.gids(9), client)
        assert jobs["status"].notna().all()
        assert "new_portfolio.name" in jobs.columns
        before = asana.stats.requests
        read(asana.gids(9), client)
        assert asana.stats.requests == before + 9


def test_a_400_to_fields_of_the_users_own_is_an_error():
    """Fields requested by name are not dropped silently."""
    with Sandbox(clock=Clock(), known_fields=["status"]) as asana, client_of(asana) as client:
        with pytest.raises(PartialReadError, match="400"):
            read(asana.gids(1), client, fields=["status", "new_portfolio.name"])


def test_a_400_to_one_gid_teaches_nothing_about_fields(asana, client):
    """A gid that Asana calls malformed does not cost the others their columns."""
    gid = asana.gids(1)[0]
    asana.answer(gid, 400)
    with pytest.raises(PartialReadError):
        read([gid], client)
    assert client.refused_fields == frozenset()


def test_bad_input_sends_nothing(asana, client):
    """Every mistake is told before the first request."""
    gids = asana.gids(2)
    for bad, error in [
        ({"gids": [*gids, 1.5]}, InvalidGidError),
        ({"gids": gids, "fields": []}, InvalidFieldError),
        ({"gids": gids, "fields": ["nope"]}, InvalidFieldError),
        ({"gids": gids, "errors": "ignore"}, InvalidOptionError),
        ({"gids": gids, "progress": "yes"}, InvalidOptionError),
        ({"gids": gids, "client": "token"}, InvalidOptionError),
    ]:
        with pytest.raises(error):
            aj.read_asana_jobs(**{"client": client, **bad})
    assert asana.stats.requests == 0


def test_without_a_token_the_error_says_how():
    """It names the environment variable, the keyring and connect()."""
    with pytest.raises(TokenError, match=r"ASANA_ACCESS_TOKEN.*keyring.*connect\(\)"):
        aj.read_asana_jobs("1")


def test_announced_changes_are_passed_on_once(tmp_path):
    """An ``Asana-Change`` header becomes a FutureWarning at the caller's line, once."""
    change = "name=new_goal_memberships;info=https://forum.asana.com/t/1;affected=true"
    with Sandbox(clock=Clock(), changes=[change]) as asana, client_of(asana) as client:
        with pytest.warns(AsanaChangeWarning, match="new_goal_memberships.*affects") as caught:
            read(asana.gids(5), client)
        assert [warning.filename for warning in caught] == [__file__]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(asana.gids(5), client)


def test_reading_keeps_within_the_limits_of_the_client(asana):
    """Never more in flight than the client may."""
    with client_of(asana, max_in_flight=7) as client:
        asana.fault("delay", times=60, seconds=0.01)
        read(asana.gids(60), client)
    assert asana.stats.most_in_flight <= 7


def test_numpy_gids_are_read(asana, client):
    """Ints of NumPy come back as the same digits."""
    gids = asana.gids(3)
    assert list(read(np.array(gids, "int64"), client)["gid"]) == gids


def test_when_the_network_is_gone_the_rest_is_not_asked_for(asana, monkeypatch):
    """After one final failure without any later response, the rest is not requested."""
    monkeypatch.setattr(client_module, "OUTAGE", 0.0)
    gids = asana.gids(500)
    base_url = asana.base_url
    asana.stop()
    with aj.Client("t", base_url=base_url, max_retries=0, max_in_flight=2) as client:
        with pytest.raises(PartialReadError) as caught:
            read(gids, client)
    assert all(isinstance(error, NetworkError) for error in caught.value.errors.values())
    assert len(caught.value.errors) == 500
    assert "not asked" in caught.value.frame["error.message"].iloc[-1]
    assert caught.value.frame["fetched_at"].isna().sum() > 400


def test_the_default_client_comes_from_the_environment(asana, monkeypatch):
    """The two variables that the sandbox prints are all it takes."""
    for name, value in asana.environ.items():
        monkeypatch.setenv(name, value)
    assert aj.read_asana_jobs(asana.gids(1))["status"].notna().all()


def client_of(asana, **options):
    return aj.Client(asana.token, base_url=asana.base_url, **options)


def fetch_fields():
    from asana_jobs_pd._jobs.schema import EVERYTHING

    return EVERYTHING.opt_fields


def test_an_answer_that_is_no_job_is_the_error_of_its_row(asana, client):
    """It does not lock the frame: all verbs go on, and a refresh asks for it again."""
    good, bad = asana.gids(2)
    asana.record(bad, {"gid": bad, "resource_type": "project", "name": "Web"})
    jobs = read([good, bad], client, errors="coerce")
    assert jobs["error.kind"].fillna("").tolist() == ["", "body"]
    assert "'project'" in jobs.at[1, "error.message"]
    assert pd.isna(jobs.at[1, "resource_type"])
    assert jobs.asana.summary().at["total", "total"] == 2
    assert bad in set(jobs.asana.pending["gid"])
    asana.record(bad, {"gid": bad, "resource_type": "job", "status": "succeeded"})
    assert jobs.asana.refresh(client=client)["error.kind"].isna().all()


CHANGE = "name=some_change;info=https://forum.asana.com/t/1;affected=true"
BAD_TIME = {"new_graph_export": {"created_at": "soon"}}


@pytest.mark.parametrize("verb", ["read", "refresh"])
@pytest.mark.parametrize("kind", ["change", "value", "both"])
def test_a_warning_turned_into_an_error_keeps_the_frame(sandbox, verb, kind):
    """Under ``-W error`` what was fetched is in ``.frame``, complete."""
    asana = sandbox(changes=[CHANGE] if kind != "value" else [])
    gids = asana.gids(3)
    if kind != "change":
        asana.record(gids[0], {"gid": gids[0], "status": "succeeded", **BAD_TIME})
    with client_of(asana) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((AsanaChangeWarning, AsanaValueWarning)) as caught:
            if verb == "read":
                read([*gids, gids[0]], client)
            else:
                pd.DataFrame({"gid": [*gids, gids[0]]}).set_index("gid").asana.refresh(
                    client=client
                )
    frame = caught.value.frame.reset_index()
    assert list(frame["gid"]) == [*gids, gids[0]]
    assert frame["status"].notna().all()


def test_an_error_that_ends_the_read_wins_over_a_warning(sandbox):
    """A PartialReadError says more than an announcement; both would carry the frame."""
    asana = sandbox(changes=[CHANGE])
    with client_of(asana) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PartialReadError) as caught:
            read([*asana.gids(1), "999"], client)
    assert len(caught.value.frame) == 2


@pytest.mark.parametrize("when", ["before", "during", "after"])
@pytest.mark.parametrize("verb", ["read", "refresh"])
def test_an_interrupt_at_any_moment_keeps_the_frame(asana, client, monkeypatch, when, verb):
    """Before the first request, while a job is read, and while the frame is built."""
    gids = asana.gids(3)

    def interrupt(*_, **__):
        undo.setattr(*target[:2], original)
        raise KeyboardInterrupt

    target = {
        "before": (read_module.Read, "run"),
        "during": (read_module, "read_one"),
        "after": (read_module, "frame_of_results"),
    }[when]
    original = getattr(*target)
    with monkeypatch.context() as undo:
        undo.setattr(*target, interrupt)
        with pytest.raises(ReadInterrupted) as caught:
            if verb == "read":
                read(gids, client)
            else:
                pd.DataFrame({"gid": gids, "mine": 1}).asana.refresh(client=client)
    frame = caught.value.frame
    assert list(frame["gid"]) == gids
    assert frame["status"].notna().all() == (when == "after")
    assert frame.asana.refresh(client=client)["status"].notna().all()


def test_an_interrupt_at_the_question_for_a_token_keeps_the_frame(monkeypatch):
    """No request was made; the gids are in the frame."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(read_module, "default_client", interrupt)
    with pytest.raises(ReadInterrupted) as caught:
        aj.read_asana_jobs(["1", "2"])
    assert list(caught.value.frame["gid"]) == ["1", "2"]


@pytest.mark.parametrize("number", [2**63, 118446744073709551617, -(10**30)])
def test_numbers_of_any_size_keep_their_digits(number):
    """In a gid of a created object, in an unknown field, and inside a list."""
    record = {"gid": "1", "new_task": {"gid": number}, "count": number, "list": [number]}
    jobs = aj.asana_jobs_from_records([record])
    assert jobs.at[0, "new_task.gid"] == str(number)
    assert jobs.at[0, "count"] == str(number)
    assert jobs.at[0, "list"] == f"[{number}]"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_does_not_know_are_kept_as_text(value):
    """In an unknown field, alone and inside; the row stays."""
    jobs = aj.asana_jobs_from_records([{"gid": "1", "status": "failed", "x": value, "y": [value]}])
    text = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[str(value)]
    assert jobs.at[0, "x"] == text
    assert jobs.at[0, "y"] == f"[{text}]"
    assert jobs.at[0, "status"] == "failed"


def test_a_record_that_is_no_job_is_the_error_of_its_row():
    """As in a read; the other records are jobs."""
    records = [{"gid": "1", "resource_type": "task"}, {"gid": "2", "resource_type": "job"}]
    jobs = aj.asana_jobs_from_records(records)
    assert jobs["error.kind"].fillna("").tolist() == ["body", ""]
    assert list(jobs["gid"]) == ["1", "2"]
    assert jobs.asana.summary().at["total", "total"] == 2


def test_dtypes_of_arrow_are_kept_by_later_verbs(asana, client, tmp_path):
    """Also by one that raises, of an empty frame, in the index, and through Parquet."""
    gids = asana.gids(5)
    jobs = read(gids, client, dtype_backend="pyarrow")
    assert set(map(type, jobs.dtypes)) == {pd.ArrowDtype}
    assert str(jobs["fetched_at"].dtype) == "timestamp[us, tz=UTC][pyarrow]"
    assert str(jobs["error.status"].dtype) == "int16[pyarrow]"
    assert list(jobs["gid"]) == gids
    jobs.to_parquet(tmp_path / "jobs.parquet")
    files = jobs.asana.download(tmp_path, client=client)
    with pytest.raises(PartialReadError) as caught:
        read([*gids, "9"], client, dtype_backend="pyarrow")
    frames = [
        *(jobs.asana.refresh(finished=finished, client=client) for finished in (False, True)),
        *(jobs.asana.pending, jobs.asana.exports, files, files.asana.refresh(client=client)),
        pd.read_parquet(tmp_path / "jobs.parquet").asana.refresh(client=client),
        caught.value.frame,
        read([], client, dtype_backend="pyarrow"),
    ]
    for frame in frames:
        assert set(map(type, frame.dtypes)) == {pd.ArrowDtype}
    indexed = jobs.set_index("gid").asana.refresh(client=client)
    assert indexed.index.dtype == jobs["gid"].dtype
    with pytest.raises(InvalidOptionError, match="dtype_backend='numpy': give one of"):
        read(gids, client, dtype_backend="numpy")
