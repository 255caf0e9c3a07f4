"""A file that is not there yet is waited for; one that is gone is an error."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._download.export_files import ExportFile
from asana_jobs_pd._download.url_source import (
    NEW_FILE,
    FileFailedError,
    UrlSource,
    seconds_until_there,
)
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.signed_urls import SignedUrl
from asana_jobs_pd.errors import AuthenticationError, StatusError

URL = "https://s3.example/f?X-Amz-Signature=5ec2e7"
COMPLETED = datetime(2026, 3, 1, tzinfo=UTC)


class World:
    """Asana, time and a stop event in one: waiting moves the clock, and responses come in turn."""

    def __init__(self, *records, age=1.0):
        self.records, self.seconds, self.notes = list(records), 0.0, []
        self.stop = threading.Event()
        self.stop.wait = self.wait
        self.server_time = lambda: COMPLETED.timestamp() + age + self.seconds
        self.asked = 0
        self.file = ExportFile("1", "graph")

    def wait(self, seconds):
        self.notes.append(self.file.note)
        self.seconds += seconds
        return self.stop.is_set()

    def ask_job(self, *_, **__):
        self.asked += 1
        return self.records.pop(0) if len(self.records) > 1 else self.records[0]

    def source(self, url=None):
        self.file.url = url and SignedUrl(url)
        return UrlSource(self.file, self, self.stop, lambda: self.seconds)


def record(url=URL, completed_at="2026-03-01T00:00:00.000Z", **fields):
    export = {"gid": "7", "download_url": url, "completed_at": completed_at}
    return {"status": "succeeded", "new_graph_export": export, **fields}


def test_the_url_of_the_frame_is_used_first():
    """No request is made while it is valid."""
    world = World(record())
    assert world.source(URL).url().reveal() == URL
    assert world.asked == 0


@pytest.mark.parametrize(
    "early",
    [
        record(None),
        record(None, None),
        {"status": "succeeded", "resource_subtype": "graph_export_request"},
    ],
    ids=["no URL", "no URL and no time", "no object"],
)
def test_a_url_that_is_not_there_yet_is_waited_for(early):
    """The status may come before the object, or the URL in it; the progress says so."""
    world = World(early, early, record())
    assert world.source().url().reveal() == URL
    assert world.asked == 3
    assert all(note.startswith("not there yet (Asana gives no URL") for note in world.notes)
    assert world.file.note == ""


def test_no_url_after_ten_minutes():
    """The error does not say that the file is gone: that is not known."""
    world = World(record(None))
    with pytest.raises(FileFailedError, match="10 minutes after it was completed") as caught:
        world.source().url()
    assert "gone" not in str(caught.value)
    assert NEW_FILE - 2 <= world.seconds <= NEW_FILE
    assert world.asked < 60


def test_no_url_after_thirty_days():
    """Asana has deleted the file; there is nothing to wait for."""
    world = World(record(None), age=31 * 86_400)
    with pytest.raises(FileFailedError, match=r"gone.*30 days"):
        world.source().url()
    assert (world.asked, world.seconds) == (1, 0)


@pytest.mark.parametrize("reason", ["404 NoSuchKey", "404", "403 AccessDenied", "403"])
def test_a_new_file_that_the_store_refuses_is_waited_for(reason):
    """The store may not know it yet; a 403 may also be due to the URL, so another is requested."""
    world = World(record())
    source = world.source()
    for _ in range(4):
        assert source.url().reveal() == URL
        source.refused(int(reason[:3]), reason)
    assert world.notes[0].startswith(f"not there yet ({reason}), trying again in ")
    assert world.seconds > 4
    assert world.asked == (1 if reason.startswith("404") else 4)


@pytest.mark.parametrize(("reason", "words"), [("404", "is gone: 404"), ("403", "refuses it: 403")])
def test_it_is_gone_when_the_store_says_so_after_ten_minutes(reason, words):
    """Not before."""
    world = World(record())
    source = world.source()
    with pytest.raises(FileFailedError, match=words):
        for _ in range(999):
            source.url()
            source.refused(int(reason[:3]), reason)
    assert NEW_FILE - 2 <= world.seconds <= NEW_FILE


def test_410_is_gone_at_once():
    """That is what 410 means."""
    world = World(record())
    source = world.source()
    source.url()
    with pytest.raises(FileFailedError, match="is gone: 410"):
        source.refused(410, "410")
    assert world.seconds == 0


def test_an_expired_token_gets_a_new_url_at_once():
    """It says nothing about the file."""
    world = World(record())
    source = world.source()
    source.url()
    source.refused(400, "400 ExpiredToken")
    source.url()
    assert (world.asked, world.seconds) == (2, 0)
    with pytest.raises(FileFailedError, match="400 ExpiredToken"):
        source.refused(400, "400 ExpiredToken")


def test_the_url_of_the_frame_is_renewed_without_waiting():
    """It may be old, whatever the store says."""
    world = World(record())
    source = world.source(URL)
    source.refused(404, "404")
    source.url()
    assert (world.asked, world.seconds) == (1, 0)


@pytest.mark.parametrize("skew", [-1e6, -30.0, 300.0])
def test_the_servers_clock_counts(skew):
    """Ours may be wrong; even a slow server clock makes nobody wait longer."""
    world = World(record(None), age=skew)
    with pytest.raises(FileFailedError):
        world.source().url()
    assert world.seconds <= NEW_FILE + 1
    assert world.seconds >= NEW_FILE - max(skew, 0) - 2


@given(age=st.none() | st.floats(-1e9, 1e9), waited=st.floats(0, 1e9))
def test_waiting_is_bounded(age, waited):
    """Whatever the clocks say."""
    left = seconds_until_there(age, waited)
    assert 0 <= left <= max(0, NEW_FILE - waited)
    if age is not None and age >= NEW_FILE:
        assert left == 0


def test_waiting_ends_when_it_is_stopped():
    """As a cancelled download wants it."""
    world = World(record(None))
    world.stop.set()
    with pytest.raises(Cancelled):
        world.source().url()


def test_bytes_start_the_count_anew():
    """A URL that delivered bytes was valid."""
    world = World(record(), age=1e5)
    source = world.source()
    for _ in range(5):
        source.url()
        source.refused(403, "403")
        source.url()
        source.worked()
    assert world.seconds == 0


def test_a_job_that_cannot_be_read_ends_it():
    """With the reason; a rejected token ends the whole download."""
    error = StatusError("x", gid="1", status=404, reason="no such job")
    with pytest.raises(FileFailedError, match="404 no such job"):
        World(error).source().url()
    with pytest.raises(AuthenticationError):
        World(AuthenticationError("x", gid="1", status=401, reason="no")).source().url()
    with pytest.raises(FileFailedError, match="the job failed"):
        World({"status": "failed"}).source().url()
