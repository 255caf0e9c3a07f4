"""From jobs to files on disk when all goes well, and which rows have no file."""

from __future__ import annotations

import io
import os
import sys

import pandas as pd
import pytest
from export_fixtures import check, names, only, packed, ranges

import asana_jobs_pd as aj
from asana_jobs_pd import _progress as progress
from asana_jobs_pd._download.export_files import FILE_COLUMNS
from asana_jobs_pd.errors import (
    AsanaLedgerWarning,
    AuthenticationError,
    InvalidGidError,
    InvalidOptionError,
)


def test_a_file_is_there_with_its_name(asana, client, jobs, gid, content, tmp_path):
    """Absolute path, size and hash; named by the gid; nothing else in the folder."""
    files = jobs.asana.download(tmp_path / "new" / "folder", client=client)
    check(only(files), content)
    assert names(tmp_path / "new" / "folder") == [f"{gid}-resource.jsonl.gz"]
    assert only(files)["file.kind"] == "resource"
    assert asana.stats.authorization_on_exports == 0


def test_the_frame_that_comes_back(client, jobs, content, tmp_path):
    """A copy with five more columns in their dtypes; index, rows and URLs stay."""
    jobs = jobs.assign(mine=[1.5]).set_axis(["a"])
    before = jobs.copy()
    files = jobs.asana.download(tmp_path, client=client)
    pd.testing.assert_frame_equal(jobs, before)
    pd.testing.assert_frame_equal(files[jobs.columns], jobs)
    assert files.dtypes[list(FILE_COLUMNS)].to_dict() == FILE_COLUMNS
    empty = jobs[:0].asana.download(tmp_path, client=client)
    assert empty.dtypes[list(FILE_COLUMNS)].to_dict() == FILE_COLUMNS


def test_a_fresh_url_is_used(asana, client, jobs, content, tmp_path):
    """One request for the file, none for the job."""
    jobs.asana.download(tmp_path, client=client)
    assert (asana.stats.requests, asana.stats.downloads) == (0, 1)


def test_a_finished_file_is_not_fetched_again(asana, client, jobs, content, tmp_path):
    """No request is made; its size and hash are still reported."""
    jobs.asana.download(tmp_path, client=client)
    asana.reset_stats()
    again = jobs.drop(columns="new_resource_export.download_url").asana.download(
        tmp_path, client=client
    )
    check(only(again), content)
    assert (asana.stats.requests, asana.stats.downloads) == (0, 0)


def test_overwrite_fetches_it_again(asana, client, jobs, content, tmp_path):
    """The existing file is replaced in one step."""
    jobs.asana.download(tmp_path, client=client)
    check(only(jobs.asana.download(tmp_path, overwrite=True, client=client)), content)
    assert asana.stats.downloads == 2


def without_record(path):
    """Rewrite the file, as copying it to a file system without attributes does."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def test_a_file_without_a_record_is_verified(asana, client, jobs, gid, content, tmp_path):
    """It is accepted if it is complete."""
    jobs.asana.download(tmp_path, client=client)
    without_record(tmp_path / f"{gid}-resource.jsonl.gz")
    asana.reset_stats()
    for _ in range(2):
        check(only(jobs.asana.download(tmp_path, client=client)), content)
    assert asana.stats.downloads == 0


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "junk": lambda path: path.write_bytes(b"something else"),
    "truncated": lambda path: os.truncate(path, 5000),
    "altered": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
    "another export": lambda path: path.write_bytes(packed(b'{"gid": "1"}')),
    "html": lambda path: path.write_bytes(packed(b"<html>")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_file_that_is_not_the_one_is_fetched(
    asana, client, jobs, gid, content, tmp_path, damage, is_new
):
    """Whether it has our record or not."""
    path = tmp_path / f"{gid}-resource.jsonl.gz"
    jobs.asana.download(tmp_path, client=client)
    if is_new:
        without_record(path)
    damage(path)
    row = only(jobs.asana.download(tmp_path, client=client))
    if is_new and damage is DAMAGES["another export"]:
        assert row["file.bytes"] == path.stat().st_size  # nothing tells it from ours
    else:
        check(row, content)
        assert asana.stats.downloads == 2


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("good", [True, False])
def test_a_link_of_the_name_is_replaced(client, jobs, gid, content, tmp_path, good):
    """The link's target is left alone."""
    other = tmp_path / "other"
    other.write_bytes(content if good else b"precious")
    (tmp_path / "exports").mkdir()
    path = tmp_path / "exports" / f"{gid}-resource.jsonl.gz"
    path.symlink_to(other)
    check(only(jobs.asana.download(tmp_path / "exports", client=client)), content)
    assert not path.is_symlink()
    assert other.read_bytes() == (content if good else b"precious")


@pytest.mark.parametrize("dest", ["s3://bucket/x", b"exports", "x\udcff"])
def test_a_dest_that_is_no_local_folder_is_refused(
    asana, client, jobs, dest, tmp_path, monkeypatch
):
    """Before any request is made, and no folder called s3: appears."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidOptionError, match="dest="):
        jobs.asana.download(dest, client=client)
    assert names(tmp_path) == []
    assert asana.stats.downloads == 0


def test_a_ledger_that_cannot_be_written_costs_no_file(asana, gid, tmp_path, monkeypatch):
    """Its warning comes last, and carries the frame where warnings are errors."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(tmp_path / "file" / "ledger.sqlite3"))
    with aj.Client(asana.token, base_url=asana.base_url, ledger=True) as client:
        with pytest.raises(AsanaLedgerWarning) as caught:
            aj.download_asana_exports(gid, tmp_path, client=client)
    assert caught.value.frame["file.error"].isna().all()


def test_a_warning_turned_into_an_error_keeps_the_frame(sandbox, tmp_path):
    """Everything is downloaded first."""
    change = "name=some_change;info=https://example.com;affected=true"
    asana = sandbox(clock=None, changes=[change], export_rows=20)
    gids = asana.gids(2, "graph_export_request")
    asana.finish(*gids)
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        with pytest.raises(aj.AsanaChangeWarning) as caught:
            aj.download_asana_exports(gids, tmp_path, client=client)
    assert caught.value.frame["file.error"].isna().all()


@pytest.mark.parametrize("columns", [["gid"], ["gid", "status"], ["gid", "resource_subtype"]])
def test_a_frame_that_says_little_is_enough(client, jobs, content, tmp_path, columns):
    """What is missing is requested; gids alone suffice."""
    files = jobs[columns].asana.download(tmp_path, client=client)
    check(only(files), content)
    assert list(files.columns) == [*columns, *FILE_COLUMNS]
    check(only(aj.download_asana_exports(jobs["gid"], tmp_path, client=client)), content)


@pytest.mark.parametrize("url", ["…", "https://s3.example/f?…", "http://s3.example/f", "no url"])
def test_a_url_that_is_none_is_asked_for(client, jobs, content, tmp_path, url):
    """For example a masked one: nothing is requested from it unless it is https."""
    jobs["new_resource_export.download_url"] = "http://s3.example/" + url
    check(only(jobs.asana.download(tmp_path, client=client)), content)


def test_a_job_with_two_exports_has_two_rows(asana, client, tmp_path):
    """As in Asana's own example; the label of the row is repeated."""
    gid = asana.gids(1)[0]
    urls = [asana.export_url(gid, kind) for kind in ("graph_export", "export_request")]
    graph, resource = ({"gid": "7", "download_url": url} for url in urls)
    both = {"new_graph_export": graph, "new_resource_export": resource}
    asana.record(gid, {"gid": gid, "status": "succeeded", **both})
    other = asana.gids(2, "duplicate_task")[1]
    asana.finish(other)
    jobs = aj.read_asana_jobs([gid, other], client=client).set_axis(["a", "b"])
    files = jobs.asana.download(tmp_path, client=client)
    assert list(files.index) == ["a", "a", "b"]
    assert list(files["file.kind"][:2]) == ["graph", "resource"]
    assert names(tmp_path) == [f"{gid}-graph.jsonl.gz", f"{gid}-resource.jsonl.gz"]
    again = files.asana.download(tmp_path, client=client)
    pd.testing.assert_frame_equal(again, files)
    (first, second, _) = aj.download_asana_exports(
        [gid, other], tmp_path, client=client
    ).itertuples()
    assert first[0] == second[0] == 0


def test_a_repeated_gid_is_downloaded_once(asana, client, jobs, content, tmp_path):
    """Each of its rows has the file."""
    files = pd.concat([jobs, jobs, jobs]).asana.download(tmp_path, client=client)
    for _, row in files.iterrows():
        check(row, content)
    assert asana.stats.downloads == 1


def test_rows_without_a_file_keep_their_place_and_say_why(asana, client, tmp_path):
    """Not finished, failed, not an export, not yours: one row each, around the file."""
    done, pending, failed = asana.gids(3, "graph_export_request")
    other = asana.gids(1, "duplicate_task")[0]
    asana.finish(done, other)
    asana.progress(pending)
    asana.progress(failed, status="failed")
    gids = [pending, failed, done, other, "99"]
    jobs = aj.read_asana_jobs(gids, errors="coerce", client=client)
    for frame in (jobs, jobs[["gid"]]):
        files = frame.asana.download(tmp_path, client=client)
        assert list(files["gid"]) == gids
        assert files["file.path"].notna().tolist() == [False, False, True, False, False]
        assert files["file.error"].isna().tolist() == [False, False, True, False, False]
        said = list(files["file.error"].fillna(""))
        for words, text in zip(
            ["not finished", "failed", "", "no export", "404"], said, strict=True
        ):
            assert words in text


def test_raise_carries_the_frame(asana, client, jobs, content, tmp_path):
    """Everything is downloaded first; the error says by name what is missing."""
    pending = asana.gids(2, "export_request")[1]
    asana.progress(pending)
    both = pd.concat([jobs, aj.read_asana_jobs(pending, client=client)], ignore_index=True)
    with pytest.raises(aj.PartialDownloadError, match="1 of 2 rows have no file") as caught:
        both.asana.download(tmp_path, errors="raise", client=client)
    check(caught.value.frame.iloc[0], content)
    (error,) = caught.value.errors.values()
    assert (error.gid, error.kind) == (pending, "resource")
    assert "not finished" in error.reason
    assert pending in str(caught.value)


def test_drop_leaves_them_out(asana, client, jobs, content, tmp_path):
    """Only rows with a file come back, under their labels."""
    pending = asana.gids(2, "export_request")[1]
    asana.progress(pending)
    both = pd.concat([aj.read_asana_jobs(pending, client=client), jobs]).set_axis(["a", "b"])
    files = both.asana.download(tmp_path, errors="drop", client=client)
    assert list(files.index) == ["b"]
    check(only(files), content)


def test_a_token_that_is_refused_ends_it(asana, jobs, tmp_path):
    """At once, with the frame."""
    with aj.Client(asana.token + "0", base_url=asana.base_url) as stranger:
        for frame in (jobs[["gid"]], jobs[["gid", "status", "resource_subtype"]]):
            with pytest.raises(AuthenticationError) as caught:
                frame.asana.download(tmp_path, client=stranger)
            assert caught.value.frame["file.error"].notna().all()


@pytest.mark.parametrize(
    "options",
    [
        {"errors": "ignore"},
        {"max_workers": 0},
        {"max_workers": True},
        {"max_inflated": 0},
        {"max_inflated": 1.5},
        {"client": "token"},
        {"dest": ""},
        {"dest": b"x"},
        {"dest": None},
        {"dest": "a\0b"},
        {"progress": "yes"},
    ],
)
def test_an_option_that_is_none_is_refused(asana, client, jobs, tmp_path, options):
    """The error names option and value, before any request."""
    asana.reset_stats()
    with pytest.raises(InvalidOptionError, match=next(iter(options))):
        jobs.asana.download(**{"dest": tmp_path, "client": client, **options})
    assert (asana.stats.requests, asana.stats.downloads) == (0, 0)


def test_a_closed_client_is_refused(client, jobs, tmp_path):
    """Even where nothing would have to be requested from Asana."""
    client.close()
    with pytest.raises(aj.errors.ClientClosedError):
        jobs.asana.download(tmp_path, client=client)


def test_invalid_gids_are_refused(asana, client, tmp_path):
    """A gid becomes a file name, so it may contain digits only."""
    for gid in ("../../etc/passwd", "1/2", "1-2", "1.0"):
        frame = pd.DataFrame({"gid": [gid], "status": ["succeeded"]})
        with pytest.raises(InvalidGidError):
            frame.asana.download(tmp_path, client=client)


def test_names_never_come_from_the_server(asana, client, gid, tmp_path):
    """An allowed redirect is followed and changes no name."""
    asana.fault("redirect", where="exports", location=asana.export_url("77", "graph_export"))
    files = aj.download_asana_exports(gid, tmp_path, client=client)
    assert pd.isna(only(files)["file.error"])
    assert names(tmp_path) == [f"{gid}-resource.jsonl.gz"]


def test_many_files_a_few_at_a_time(asana, client, tmp_path):
    """All arrive, in the order of the rows."""
    gids = asana.gids(9, "graph_export_request")
    asana.finish(*gids)
    files = aj.download_asana_exports(gids, tmp_path, max_workers=3, client=client)
    assert files["file.error"].isna().all()
    assert [path.rpartition("/")[2] for path in files["file.path"].str.replace("\\", "/")] == [
        f"{gid}-graph.jsonl.gz" for gid in gids
    ]
    assert ranges(asana) == [None] * 9


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bars_show_bytes_of_all_and_of_each(asana, client, jobs, gid, tmp_path, monkeypatch):
    """One bar for all files and one per file; none shows any part of the URL."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "DELAY", 0.05)
    asana.fault("slow", where="exports", seconds=0.6)
    jobs.asana.download(tmp_path, client=client)
    shown = terminal.getvalue()
    assert "Asana exports 1/1" in shown
    assert f"{gid}-resource" in shown
    assert "B/s" in shown
    assert "Amz" not in shown
    terminal.truncate(0)
    jobs.asana.download(tmp_path, overwrite=True, progress=False, client=client)
    assert terminal.getvalue() == ""
