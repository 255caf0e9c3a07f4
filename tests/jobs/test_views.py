"""What a frame says: summary, results, changes, and its parts."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from conftest import TOKEN
from made import SIGNATURE, URL
from seed import EXAMPLE, GRAPH_URL

import asana_jobs_pd as aj
from asana_jobs_pd._jobs.views import masked


@pytest.fixture
def jobs(asana, client):
    return aj.read_asana_jobs(asana.gids(18), client=client)


def done(asana, client, jobs):
    asana.advance(60)
    return jobs.asana.refresh(client=client)


def test_summary_counts_each_job_once(asana, client, jobs):
    """Subtype by status, with totals; a repeated gid counts once."""
    table = pd.concat([jobs, jobs.head(3)]).asana.summary()
    assert table.index.name == "resource_subtype"
    assert table.columns.name == "status"
    assert list(table.columns)[:4] == ["not_started", "in_progress", "succeeded", "failed"]
    assert table.loc["total", "total"] == 18
    assert table.loc["duplicate_task", "total"] == 2
    assert (table.dtypes == "int64").all()
    for status in ("not_started", "in_progress", "succeeded"):
        assert table.loc["total", status] == (jobs["status"] == status).sum()


def test_summary_shows_what_it_does_not_know(asana, client):
    """Unknown statuses by name; jobs that could not be read as unknown."""
    gid = asana.gids(1)[0]
    asana.record(gid, {"gid": gid, "status": "queued", "resource_subtype": "odd"})
    jobs = aj.read_asana_jobs([gid, "999"], errors="coerce", client=client)
    table = jobs.asana.summary()
    assert table.at["odd", "queued"] == 1
    assert table.at["unknown", "unknown"] == 1


def test_summary_of_nothing():
    """An empty frame has an empty summary of the same shape."""
    table = aj.read_asana_jobs([]).asana.summary()
    assert list(table.columns) == ["not_started", "in_progress", "succeeded", "failed", "total"]
    assert table.loc["total"].tolist() == [0] * 5


def test_summary_works_with_gids_alone():
    """Without our columns everything is unknown."""
    table = pd.DataFrame({"gid": ["1", "2"]}).asana.summary()
    assert table.at["unknown", "unknown"] == 2


def test_results_of_the_seeds_example():
    """One row for each object that the job created, in the order of the columns."""
    found = aj.asana_jobs_from_records([EXAMPLE]).asana.results()
    assert list(found.columns) == [
        "gid", "kind", "new.gid", "new.name", "new.created_at", "new.completed_at"
    ]  # fmt: skip
    assert list(found["kind"]) == [
        "project", "task", "project_template", "graph_export", "resource_export"
    ]  # fmt: skip
    assert found["new.name"].tolist()[:2] == ["Stuff to buy", "Bug Task"]
    assert found.at[3, "new.created_at"] == pd.Timestamp("2012-02-22T02:06:58.147Z")


def test_results_of_every_kind(asana, client, jobs):
    """Whichever ``new_*`` it is, an unknown one too; repeats give one row."""
    gid = "4242"
    asana.record(gid, {"gid": gid, "status": "succeeded", "new_goal": {"gid": "7", "name": "G"}})
    jobs = aj.read_asana_jobs([*asana.gids(18), gid, gid], client=client)
    found = done(asana, client, jobs).asana.results()
    assert set(found["kind"]) == {
        "task", "project", "portfolio", "graph_export", "resource_export", "project_template",
        "task_template", "goal",
    }  # fmt: skip
    assert list(found["gid"]) == [g for g in dict.fromkeys(jobs["gid"]) if g in set(found["gid"])]
    assert list(found.loc[found["kind"] == "goal", "new.name"]) == ["G"]
    assert found.index.equals(pd.RangeIndex(len(found)))


def test_results_have_their_dtypes_even_without_rows():
    """An empty table of results is typed too, and so is one of a narrow frame."""
    empty = aj.read_asana_jobs([]).asana.results()
    narrow = aj.asana_jobs_from_records([EXAMPLE], ["new_task.name"]).asana.results()
    assert len(empty) == 0
    assert narrow["new.name"].tolist() == ["Bug Task"]
    assert narrow["new.gid"].isna().all()
    for found in (empty, narrow):
        assert [str(dtype) for dtype in found.dtypes] == [
            *["string"] * 4, *["datetime64[us, UTC]"] * 2
        ]  # fmt: skip


def test_changes_tell_gid_column_before_and_after(asana, client, jobs):
    """One row per changed value, as text; unchanged values are left out."""
    after = done(asana, client, jobs)
    changed = after.asana.changes(jobs)
    assert list(changed.columns) == ["gid", "column", "before", "after"]
    assert set(map(str, changed.dtypes)) == {"string"}
    statuses = changed[changed["column"] == "status"]
    assert set(statuses["gid"]) == set(jobs.asana.pending["gid"])
    assert set(statuses["after"]) <= {"succeeded", "failed"}
    assert not set(changed["column"]) & {"fetched_at", "gid"}
    assert not len(after.asana.changes(after))


def test_changes_keep_signatures_to_themselves():
    """A URL that was only signed anew is no change; a new one is shown without its query."""
    now = aj.asana_jobs_from_records([EXAMPLE])
    resigned = {**EXAMPLE, "new_graph_export": {"download_url": GRAPH_URL + "9"}}
    before = aj.asana_jobs_from_records([{**EXAMPLE, "new_graph_export": None}])
    assert "new_graph_export.download_url" not in set(
        aj.asana_jobs_from_records([resigned]).asana.changes(now)["column"]
    )
    changed = now.asana.changes(before).set_index("column")
    assert changed.at["new_graph_export.download_url", "after"].endswith(".json.gz?…")
    assert "Signature" not in changed.to_string()
    assert changed.at["new_graph_export.created_at", "after"] == "2012-02-22T02:06:58.147000Z"


@pytest.mark.parametrize("year", ["0001", "1969", "9999"])
def test_changes_tell_times_of_every_year(year):
    """In ISO 8601 with four digits for the year."""
    time = f"{year}-12-31T23:59:59.000001Z"
    old, new = (
        aj.asana_jobs_from_records([{"gid": "1", "new_graph_export": {"created_at": value}}])
        for value in (None, time)
    )
    assert new.asana.changes(old)["after"].tolist() == [time]
    assert old.asana.changes(new)["before"].tolist() == [time]


def test_changes_meet_by_gid_in_any_order():
    """Rows meet by gid, in the index too; jobs that one frame lacks are left out."""
    old = aj.asana_jobs_from_records([{"gid": "1", "status": "a"}, {"gid": "2", "status": "b"}])
    new = aj.asana_jobs_from_records([{"gid": "2", "status": "c"}, {"gid": "3", "status": "d"}])
    changed = new.set_index("gid").asana.changes(old)
    assert changed.to_dict("records") == [
        {"gid": "2", "column": "status", "before": "b", "after": "c"}
    ]


def test_changes_notice_errors(asana, client, jobs):
    """That a job can no longer be read is a change."""
    gid = jobs.asana.pending["gid"].iloc[0]
    asana.answer(gid, 404)
    changed = jobs.asana.refresh(client=client).asana.changes(jobs)
    told = changed[changed["gid"] == gid].set_index("column")["after"]
    assert told["error.status"] == "404"


def test_pending_failed_and_succeeded_are_all(asana, client):
    """Each row is in one of them; sub-frames keep labels and columns."""
    gids = [*asana.gids(18), "999"]
    jobs = aj.read_asana_jobs(gids, errors="coerce", client=client)
    jobs = done(asana, client, jobs).assign(mine=1).set_index("gid")
    pending, failed = jobs.asana.pending, jobs.asana.failed
    succeeded = jobs[jobs["status"] == "succeeded"]
    assert len(pending) + len(failed) + len(succeeded) == len(jobs)
    assert "999" in failed.index
    assert list(failed.columns) == list(jobs.columns)
    assert (failed["status"].dropna() == "failed").all()


def test_exports_are_found_by_subtype_or_by_object(asana, client, jobs):
    """Ready or not, graph and resource exports."""
    assert set(jobs.asana.exports["resource_subtype"]) == {"graph_export_request", "export_request"}
    narrow = aj.asana_jobs_from_records([EXAMPLE, {"gid": "2"}], ["new_graph_export.completed_at"])
    assert list(narrow.asana.exports["gid"]) == ["12345"]
    assert not len(pd.DataFrame({"gid": ["1"]}).asana.exports)


def test_views_leave_the_frame_alone(jobs):
    """Nothing here changes the caller's frame."""
    before = jobs.copy(deep=True)
    jobs.asana.summary(), jobs.asana.results(), jobs.asana.changes(jobs), jobs.asana.exports
    pd.testing.assert_frame_equal(jobs, before)


TEXTS = {
    URL: "https://s3.example/f.jsonl.gz?…",
    "see https://x.example/?q=1": "see https://x.example/?q=1",
    "policy and signature": "policy and signature",
}


ARROW_TEXTS = [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize(
    "dtype", ["string", "object", "category", *map(pd.ArrowDtype, ARROW_TEXTS)]
)
def test_signatures_are_masked_in_every_column(dtype):
    """Others than ``download_url`` too, and only what is a credential."""
    frame = pd.DataFrame({"any": pd.Series([*TEXTS, None], dtype=dtype)})
    shown = masked(frame)
    assert shown["any"].tolist()[:3] == list(TEXTS.values())
    assert shown["any"].isna().tolist() == [False] * 3 + [True]
    assert frame["any"].iloc[0] == URL


def test_tokens_are_masked_too():
    """Whoever put one there."""
    shown = masked(pd.DataFrame({"note": [f"Bearer {TOKEN}", TOKEN, "x"]}))
    assert "0123456789abcdef" not in shown.to_string()
    assert shown.at[2, "note"] == "x"


def test_download_urls_lose_any_query():
    """Whatever signs them; the fragment and user information are removed too."""
    urls = [
        "https://s3.example/a?key=secret",
        "https://me:pw@s3.example/a#x",
        "https://s3.example/a",
    ]
    shown = masked(pd.DataFrame({"new_x.download_url": urls}))["new_x.download_url"]
    assert list(shown) == [
        "https://s3.example/a?…", "https://…@s3.example/a", "https://s3.example/a"
    ]  # fmt: skip


def test_odd_frames_are_masked_too():
    """Values that are not texts, repeated or missing column names, no columns."""
    frame = pd.DataFrame([[1, URL, [URL]]], columns=[0, "a", "a"])
    shown = masked(frame)
    assert SIGNATURE not in shown["a"].iloc[0, 0]
    assert list(shown.columns) == [0, "a", "a"]
    assert masked(pd.DataFrame()).empty
