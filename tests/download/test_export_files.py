"""Which files a row of a frame, or Asana's record, stands for."""

from __future__ import annotations

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._download.export_files import completed_at_of, files_of_record, files_of_rows
from asana_jobs_pd._jobs.as_jobs import as_jobs

URL = "https://s3.example/f?X-Amz-Signature=5ec2e7"
GRAPH = {"gid": "7", "download_url": URL, "completed_at": "2026-01-01T00:00:00.000Z"}
RESOURCE = {"gid": "8", "download_url": URL + "2", "completed_at": None}


def files(*records, fields=None, **columns):
    frame = aj.asana_jobs_from_records([{"gid": "1", **record} for record in records], fields)
    frame = frame.assign(**columns)
    return files_of_rows(as_jobs(frame, verified=True))


def only(found):
    ((file,),) = found
    return file


def test_a_succeeded_export_has_its_file():
    """With the URL that the frame has."""
    file = only(files({"status": "succeeded", "new_graph_export": GRAPH}))
    assert (file.kind, file.name, file.url.reveal()) == (
        "graph",
        "1-graph.jsonl.gz",
        URL,
    )
    assert URL not in repr(file)


def test_both_exports_are_two_files():
    """As in Asana's own example; the graph export first."""
    both = {"new_graph_export": GRAPH, "new_resource_export": RESOURCE}
    ((one, two),) = files({"status": "succeeded", **both})
    assert [one.name, two.name] == ["1-graph.jsonl.gz", "1-resource.jsonl.gz"]
    assert [one.url.reveal(), two.url.reveal()] == [URL, URL + "2"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"status": "in_progress", "new_graph_export": GRAPH}, "not finished (in_progress)"),
        ({"status": "not_started"}, "not finished (not_started)"),
        ({"status": "dreaming"}, "not finished (dreaming)"),
        ({"status": "failed", "new_graph_export": GRAPH}, "the job failed"),
        (
            {"status": "succeeded", "resource_subtype": "duplicate_task"},
            "a duplicate_task job creates",
        ),
    ],
)
def test_why_there_is_no_file(record, said):
    """The reason is given without a request."""
    file = only(files(record))
    assert said in file.error


def test_a_job_that_is_not_yours_is_not_asked_again():
    """A 403 or 404 will not change; its words are kept."""
    columns = {"error.status": pd.array([404], "Int16"), "error.message": "nothing here"}
    file = only(files({}, **columns))
    assert "404 nothing here" in file.error


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({}, None),
        ({"status": "succeeded"}, ["status"]),
        ({"status": "succeeded", "resource_subtype": "domain_export"}, None),
    ],
)
def test_a_row_that_does_not_say_enough_is_asked(record, fields):
    """Without a status, or without anything that tells which export there is."""
    assert files(record, fields=fields) == [()]


@pytest.mark.parametrize(
    "record",
    [
        {"resource_subtype": "graph_export_request"},
        {"new_graph_export": {"gid": "7"}},
        {"resource_subtype": "graph_export_request", "new_graph_export": {"gid": "7"}},
    ],
)
def test_a_known_kind_needs_no_asking_yet(record):
    """The URL is requested when the file's turn comes, and not if the file exists."""
    file = only(files({"status": "succeeded", **record}))
    assert (file.name, file.url) == ("1-graph.jsonl.gz", None)


def test_rows_of_an_earlier_download_stay_one_file_each():
    """Downloading a frame of files again does not double its rows."""
    both = {"status": "succeeded", "new_graph_export": GRAPH, "new_resource_export": RESOURCE}
    found = files(both, both, **{"file.kind": ["graph", "resource"]})
    assert [[file.url.reveal() for file in row] for row in found] == [[URL], [URL + "2"]]


def test_a_row_without_a_gid_says_so():
    """It keeps its place."""
    frame = pd.DataFrame({"gid": pd.Series(["1", None], dtype="string")})
    first, (second,) = files_of_rows(as_jobs(frame))
    assert first == ()
    assert "no gid" in second.error


@pytest.mark.parametrize(
    "record",
    [
        {"new_graph_export": {**GRAPH, "download_url": None}},
        {"new_graph_export": {"gid": "7"}},
        {"new_graph_export": None, "resource_subtype": "graph_export_request"},
        {"resource_subtype": "graph_export_request"},
    ],
)
def test_a_record_without_a_url_has_a_file_all_the_same(record):
    """The URL, or the whole object, may come after the status."""
    (file,) = files_of_record("1", {"status": "succeeded", **record})
    assert (file.name, file.url, file.error) == ("1-graph.jsonl.gz", None, None)


@pytest.mark.parametrize(
    ("export", "completed_at"),
    [
        (GRAPH, 1767225600.0),
        ({"completed_at": "2026-01-01T01:00:00.000+01:00"}, 1767225600.0),
        ({"completed_at": "2026-01-01T00:00:00"}, None),
        ({"completed_at": "yesterday"}, None),
        ({"completed_at": 5}, None),
        ({}, None),
        (None, None),
        ("x", None),
    ],
)
def test_when_an_export_was_completed(export, completed_at):
    """In seconds since 1970, if Asana says so in the documented way."""
    assert completed_at_of("graph", {"new_graph_export": export}) == completed_at


def test_a_record_without_an_export_has_no_file():
    """Whatever the job created."""
    (file,) = files_of_record("1", {"status": "succeeded", "resource_subtype": "duplicate_task"})
    assert "there is no export file: a duplicate_task job creates none" in file.error


@pytest.mark.parametrize("odd", ["x", 5, [], {}])
def test_an_odd_record_breaks_nothing(odd):
    """A record that is not as documented has no file."""
    (file,) = files_of_record("1", {"status": "succeeded", "new_graph_export": odd})
    assert file.error


@pytest.mark.parametrize("odd", [5, {}, "", None, []])
def test_an_odd_url_is_none(odd):
    """It is requested again, like one that is not there yet."""
    record = {"status": "succeeded", "new_graph_export": {"gid": "7", "download_url": odd}}
    (file,) = files_of_record("1", record)
    assert file.url is None
