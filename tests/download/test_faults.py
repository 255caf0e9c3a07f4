"""Networks, file stores and disks that misbehave, over real sockets."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
from child_process import run_child
from export_fixtures import Quick, check, fetched, names, only, packed, ranges

import asana_jobs_pd as aj
from asana_jobs_pd._http import client as client_module


@pytest.fixture
def download(client, jobs, tmp_path):
    """Download the one file of these jobs into the folder, and return its row."""

    def call(frame=jobs, **options):
        return only(frame.asana.download(tmp_path, client=client, **options))

    return call


def plant(tmp_path, gid, data, etag):
    """Write what an earlier, interrupted download left."""
    part = tmp_path / f"{gid}-resource.jsonl.gz.part"
    part.write_bytes(data)
    part.with_name(f"{part.name}.etag").write_text(etag)
    return part


def etag_of(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def test_a_part_on_disk_is_not_fetched_again(asana, download, gid, content, tmp_path):
    """Only the rest is requested, of the same content."""
    plant(tmp_path, gid, content[:5000], etag_of(content))
    check(download(), content)
    assert ranges(asana) == ["bytes=5000-"]
    assert asana.stats.export_bytes == len(content) - 5000
    assert names(tmp_path) == [f"{gid}-resource.jsonl.gz"]


@pytest.mark.parametrize("fault", ["truncate", "reset"])
def test_a_cut_connection_is_continued(asana, download, content, fault):
    """From the byte where it was cut."""
    asana.fault(fault, where="exports", bytes=3000)
    check(download(), content)
    assert ranges(asana) == [None, "bytes=3000-"]


def test_many_cuts_end_well_as_long_as_bytes_come(asana, download, content):
    """There are more cuts than retries, but each attempt brought new bytes."""
    for place in range(1, 5):
        asana.fault("truncate", where="exports", bytes=place * 1000)
    check(download(), content)
    assert ranges(asana) == [None, *(f"bytes={sum(range(n)) * 1000}-" for n in range(2, 6))]


def test_a_changed_etag_starts_over(asana, download, gid, content, tmp_path):
    """The bytes on disk are of a file that no longer exists."""
    asana.fault("truncate", where="exports", bytes=3000)
    plant(tmp_path, gid, content[:1000], '"of-another-edition"')
    check(download(), content)
    assert ranges(asana) == ["bytes=1000-", "bytes=3000-"]


def test_a_file_that_changes_on_the_way_starts_over(asana, download, gid, content, tmp_path):
    """Bytes of two editions are never joined."""
    asana.fault("truncate", where="exports", bytes=3000)
    asana.fault("reset", where="exports", times=3)
    assert "Download again to resume" in download()["file.error"]
    assert (tmp_path / f"{gid}-resource.jsonl.gz.part").read_bytes() == content[:3000]
    asana.republish(gid)
    row = download()
    assert pd.isna(row["file.error"])
    check(row, fetched(asana, gid))
    assert row["file.sha256"] != hashlib.sha256(content).hexdigest()


def test_200_to_a_range_starts_over(asana, download, gid, content, tmp_path):
    """Some servers ignore ranges; nothing is doubled."""
    asana.fault("whole", where="exports")
    plant(tmp_path, gid, content[:5000], etag_of(content))
    check(download(), content)
    assert asana.stats.export_bytes == len(content)


def test_a_page_of_a_proxy_does_not_cost_the_part(asana, download, gid, content, tmp_path):
    """200 to a Range starts over only for what begins like a file."""
    asana.fault("html", where="exports", status=200)
    plant(tmp_path, gid, content[:5000], etag_of(content))
    assert "partial download was kept" in download()["file.error"]
    check(download(), content)
    assert ranges(asana) == ["bytes=5000-"] * 2


def test_an_empty_answer_is_asked_again(asana, download, gid, content, tmp_path):
    """An object may be empty for a moment; the part that is there is kept."""
    asana.fault("empty", where="exports", status=200)
    plant(tmp_path, gid, content[:5000], etag_of(content))
    check(download(), content)
    assert ranges(asana) == ["bytes=5000-"] * 2


def test_416_with_a_complete_part_finishes(asana, download, gid, content, tmp_path):
    """A process that was killed before it renamed the file had all bytes."""
    plant(tmp_path, gid, content, etag_of(content))
    check(download(), content)
    assert asana.stats.export_bytes == 0


def test_416_with_a_part_that_is_too_long_starts_over(asana, download, gid, content, tmp_path):
    """It cannot be of this file, whatever its ETag says."""
    plant(tmp_path, gid, content + packed(b""), etag_of(content))
    check(download(), content)
    assert ranges(asana) == [f"bytes={len(content) + 20}-", None]


def test_a_part_that_went_bad_on_disk_starts_over(asana, download, gid, content, tmp_path):
    """Only once: after that, the file itself is corrupt."""
    bad = bytearray(content[:5000])
    bad[2500] ^= 0xFF
    plant(tmp_path, gid, bytes(bad), etag_of(content))
    check(download(), content)
    assert ranges(asana)[-1] is None


def test_an_expired_url_is_renewed(asana, download, jobs, gid, content):
    """A URL that has expired by its own date is not even tried."""
    stale = asana.export_url(gid, "export_request").replace("Expires=300", "Expires=1")
    old = jobs.assign(**{"new_resource_export.download_url": stale})
    check(download(old), content)
    assert asana.stats.requests == 1
    assert ranges(asana) == [None]


def test_a_refused_url_is_renewed_and_the_download_goes_on(asana, download, content):
    """After a 403 in the middle, the part stays."""
    asana.fault("truncate", where="exports", bytes=3000)
    asana.fault("status", where="exports", status=403)
    check(download(), content)
    assert ranges(asana) == [None, "bytes=3000-", "bytes=3000-"]
    assert asana.stats.requests == 1


def test_a_life_shorter_than_the_margin_does_not_loop(sandbox, tmp_path):
    """A URL that lives for a second is asked for and used."""
    asana = sandbox(clock=None, url_lifetime=1, export_rows=20)
    (gid,) = asana.gids(1, "export_request")
    asana.finish(gid)
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        row = only(aj.download_asana_exports(gid, tmp_path, client=client))
    assert pd.isna(row["file.error"])
    assert asana.stats.requests <= 3


def test_a_clock_that_is_wrong_costs_one_request(sandbox, tmp_path):
    """All URLs look expired to it; a fresh one is used nevertheless."""
    asana = sandbox(export_rows=20)  # its clock stands in another year
    (gid,) = asana.gids(1, "export_request")
    asana.finish(gid)
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        jobs = aj.read_asana_jobs(gid, client=client)
        row = only(jobs.asana.download(tmp_path, client=client))
    assert pd.isna(row["file.error"])
    assert (asana.stats.requests, asana.stats.downloads) == (2, 1)


def test_a_file_that_is_gone_says_so(asana, download, gid, jobs, tmp_path):
    """Its URL no longer works, and the job has none."""
    asana.expire_export(gid)
    for frame in (jobs, jobs[["gid"]]):
        row = download(frame)
        assert pd.isna(row["file.path"])
        assert "gone" in row["file.error"]
        assert "30 days" in row["file.error"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_fresh_urls_that_are_refused_end_in_words(asana, download, jobs, gid, content, status):
    """After a few renewals it gives up, unless the export is new."""
    export = {"gid": "7", "completed_at": "2026-01-01T00:00:00.000Z"}
    url = {"download_url": asana.export_url(gid, "export_request")}
    asana.record(gid, {"gid": gid, "status": "succeeded", "new_resource_export": export | url})
    asana.fault("status", where="exports", status=status, times=99)
    row = download()
    assert "gone" in row["file.error"]
    assert str(status) in row["file.error"]
    assert asana.stats.requests <= 2


def test_a_file_that_is_not_there_yet_is_waited_for(asana, download, content):
    """A store may not know an object for seconds after the job has succeeded."""
    asana.fault("status", where="exports", status=404, times=3)
    check(download(), content)
    assert asana.stats.downloads == 4
    assert asana.stats.requests == 1


LINES = b'{"gid":"11","resource_type":"task","name":"Order cups"}\n'
FILE = packed(LINES)


def test_a_file_of_unknown_length_that_ends_early_is_tried_again(scripted_store):
    """Without a length, only the end of the content shows that the connection broke."""
    for content, asked in ((FILE, 2), (LINES, 3)):
        store = scripted_store((200, (), content[: len(content) * 2 // 3]), (200, (), content))
        check(store.download(), content)
        assert store.asked == asked


CHUNKED = "Transfer-Encoding: chunked"
ETAG = 'ETag: "e"'


@pytest.mark.parametrize(
    "more",
    [
        [(200, (), LINES * 2)],
        [(200, (), LINES * 2), (200, (), LINES * 2)],
        [(200, (CHUNKED,), b"%x\r\n%b\r\n0\r\n\r\n" % (2 * len(LINES), 2 * LINES))],
        [
            (
                206,
                (f"Content-Range: bytes {len(LINES)}-{2 * len(LINES) - 1}/{2 * len(LINES)}",),
                LINES,
            )
        ],
    ],
    ids=["lines", "the same lines twice", "chunks", "the rest"],
)
def test_lines_that_end_at_a_line_have_to_come_twice(scripted_store, more):
    """Where nothing marks the end, a file cut after a line looks whole: a second answer decides."""
    check(scripted_store((200, (ETAG,), LINES), *more).download(), LINES * 2)


def test_the_store_may_say_that_nothing_is_missing(scripted_store):
    """416 with the length is as good as a length."""
    size = len(LINES)
    nothing = (416, (f"Content-Range: bytes */{size}", "Content-Length: 0"), b"")
    store = scripted_store((200, (ETAG,), LINES), nothing)
    check(store.download(), LINES)
    assert store.asked == 2


def test_pieces_that_do_not_belong_together_are_fetched_anew(scripted_store):
    """An ETag can lie: the rest that came was of another file."""
    etag, half, size = 'ETag: "e"', len(FILE) // 2, len(FILE)
    rest = (f"Content-Length: {size - half}", f"Content-Range: bytes {half}-{size - 1}/{size}")
    store = scripted_store(
        whole(FILE[:half], etag, length=size), (206, rest, bytes(size - half)), whole(FILE)
    )
    check(store.download(), FILE)
    assert store.asked == 3


@pytest.mark.parametrize("code", ["RequestTimeout", "SlowDown"])
def test_an_error_that_passes_is_tried_again(scripted_store, code):
    """S3 answers 400 RequestTimeout as well as 503 SlowDown."""
    store = scripted_store(error(400, code), whole(FILE))
    check(store.download(), FILE)
    assert store.asked == 2


@pytest.mark.parametrize(
    ("status", "headers"), [(301, ()), (302, ("Location: ",)), (307, ()), (308, ()), (300, ())]
)
def test_a_redirect_to_nowhere_is_asked_for_once(scripted_store, status, headers):
    """S3 answers 301 without a Location for a bucket in another region."""
    store = scripted_store(error(status, "PermanentRedirect", *headers))
    assert f"answered {status} PermanentRedirect" in store.download()["file.error"]
    assert store.asked == 1


def test_an_export_that_was_unpacked_on_the_way(scripted_store):
    """It is stored under a name that fits, is loaded, and is not fetched again."""
    store = scripted_store(whole(LINES))
    row = store.download()
    check(row, LINES)
    assert row["file.path"].endswith("-graph.jsonl")
    data = aj.read_asana_export(row["file.path"], progress=False)
    assert list(data["task"]["name"]) == ["Order cups"]
    check(store.download(), LINES)
    assert names(store.folder) == ["1-graph.jsonl"]


def test_gzip_within_gzip_is_unpacked_once(scripted_store):
    """Two layers may be an accident and are unpacked; more are an error."""
    for layers in (2, 3):
        data = FILE
        for _ in range(layers - 1):
            data = packed(data)
        check(scripted_store(whole(data)).download(), FILE)
    data = packed(packed(packed(packed(FILE))))
    store = scripted_store(whole(data))
    assert "gzip within gzip" in store.download()["file.error"]
    assert names(store.folder) == []


@pytest.mark.parametrize("junk", [b"\n", b"<Error>", bytes(100) + b"x"])
def test_bytes_after_the_end_are_kept_and_noted(scripted_store, junk, caplog):
    """As gunzip does, with a warning in the log."""
    check(scripted_store(whole(FILE + junk)).download(), FILE + junk)
    assert "follow the end of its gzip stream" in caplog.text


def test_a_store_that_trickles_is_given_up(scripted_store):
    """A few bytes now and then count as no progress."""
    store = scripted_store(whole(FILE, length=10**6), timeout=(5, 0.2), pause=0.05)
    assert "bytes came in" in store.download()["file.error"]


class Store:
    """A file store that gives these responses in turn, the last one over and over."""

    def __init__(self, folder, responses, *, timeout=(5, 60), pause=0.0):
        self.folder, self._responses, self._pause = folder, responses, pause
        self._timeout = timeout
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer._answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _answer(self, handler):
        status, headers, body = self._responses[min(self.asked, len(self._responses) - 1)]
        self.asked += 1
        handler.send_response(status)
        for header in headers:
            handler.send_header(*header.split(":", 1))
        handler.end_headers()
        step = 1 if self._pause else len(body) or 1
        with suppress(OSError):
            for place in range(0, len(body), step):
                handler.wfile.write(body[place : place + step])
                time.sleep(self._pause)

    def download(self):
        url = {"gid": "7", "download_url": f"{self.url}/f?X-Amz-Signature=5ec2e7"}
        jobs = aj.asana_jobs_from_records(
            [{"gid": "1", "status": "succeeded", "new_graph_export": url}]
        )
        jobs["fetched_at"] = pd.Timestamp("2026-01-01", tz="UTC")
        with aj.Client("t" * 9, base_url=self.url, timeout=self._timeout) as client:
            client.policy = Quick(retries=2)
            return only(jobs.asana.download(self.folder, client=client))


def whole(body, *headers, length=None):
    return 200, (f"Content-Length: {length or len(body)}", *headers), body


def error(status, code, *headers):
    body = f"<Error><Code>{code}</Code></Error>".encode()
    return status, (f"Content-Length: {len(body)}", *headers), body


@pytest.fixture
def scripted_store(tmp_path):
    stores = []

    def make(*responses, **options):
        stores.append(Store(tmp_path / str(len(stores)), responses, **options))
        return stores[-1]

    yield make
    for store in stores:
        store.server.shutdown()
        store.server.server_close()


def test_trouble_of_the_file_store_is_waited_out(asana, download, content):
    """A 503 and a reset connection are retried."""
    asana.fault("status", where="exports", status=503)
    asana.fault("reset", where="exports")
    check(download(), content)


def test_trouble_that_lasts_ends_in_words(asana, download, gid, content, tmp_path):
    """The error quotes the store; the part is kept, and the next download resumes it."""
    plant(tmp_path, gid, content[:5000], etag_of(content))
    asana.fault("status", where="exports", status=503, times=3)
    row = download()
    assert "503 SlowDown, in 3 tries" in row["file.error"]
    assert pd.isna(row["file.sha256"])
    check(download(), content)
    assert ranges(asana)[-1] == "bytes=5000-"


def test_a_network_that_is_gone_is_not_tried_for_every_file(asana, client, tmp_path, monkeypatch):
    """One file without any response stands for those that wait."""
    monkeypatch.setattr(client_module, "OUTAGE", 0.0)
    gids = asana.gids(8, "export_request")
    asana.finish(*gids)
    jobs = aj.read_asana_jobs(gids, client=client)
    asana.fault("reset", where="exports", times=999)
    files = jobs.asana.download(tmp_path, max_workers=2, client=client)
    said = files["file.error"].str
    assert said.contains("the connection failed").any()
    assert said.startswith("given up: nothing came from the network").sum() >= 4
    assert asana.stats.downloads <= 12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:], "CRC or length"),
        (lambda data: data[:-3], "in the middle of its gzip stream"),
        (lambda data: data[:2000], "in the middle of its gzip stream"),
        (lambda _: b"", "empty"),
        (lambda _: b'{"error": "log in"}\n', "looks like JSON"),
        (lambda _: b'{"gid": "1"}\n{"gid"', "in the middle of a line"),
        (lambda _: b"<html>captive portal</html>", "looks like XML"),
    ],
)
def test_a_corrupt_file_never_gets_its_name(asana, download, gid, content, tmp_path, change, said):
    """The error says what is wrong, and no corrupt bytes are left to resume."""
    asana.publish(gid, change(content))
    row = download()
    assert said in row["file.error"]
    assert pd.isna(row["file.path"])
    assert names(tmp_path) == []
    assert asana.stats.downloads == (5 if said == "empty" else 1)


def test_several_gzip_members_are_one_file(asana, download, gid, content):
    """As gzip allows."""
    asana.publish(gid, content + content)
    check(download(), content + content)


def test_a_bomb_is_stopped_at_the_limit(asana, download, gid, tmp_path):
    """Without a limit it is a file like any other and needs no memory."""
    bomb = packed(bytes(8 * 2**20), 9)
    asana.publish(gid, bomb)
    for _ in range(2):  # partial download was kept: with a higher limit, the download goes on
        assert "more than the 1,000,000 bytes" in download(max_inflated=10**6)["file.error"]
    assert asana.stats.downloads == 1
    check(download(), bomb)


def test_a_redirect_to_elsewhere_is_not_followed(asana, download):
    """Neither to plain http nor to a file; its query is not shown."""
    for place in ("http://s3.example/f?X-Amz-Signature=5ec2e7", "file:///etc/passwd", "//[bad"):
        asana.fault("redirect", where="exports", location=place)
        said = download()["file.error"]
        assert "not https" in said or "no server" in said or "not a URL" in said
        assert "5ec2e7" not in said


def test_a_redirect_that_never_ends_ends(asana, download, gid):
    """After a few."""
    url = asana.export_url(gid, "export_request")
    asana.fault("redirect", where="exports", location=url, times=50)
    assert "redirects" in download()["file.error"]


def test_a_dest_that_is_a_file(download, client, jobs, tmp_path):
    """Or is below one: each row has the error, and nothing is raised."""
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        row = only(jobs.asana.download(place, client=client))
        assert "not a folder" in row["file.error"]


def test_a_folder_that_has_the_name(download, gid, tmp_path):
    """It is left alone."""
    (tmp_path / f"{gid}-resource.jsonl.gz").mkdir()
    assert "move it away" in download()["file.error"]
    assert (tmp_path / f"{gid}-resource.jsonl.gz").is_dir()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_ours(download, tmp_path):
    """The error says that it is about permissions."""
    tmp_path.chmod(0o500)
    try:
        assert "permission" in download()["file.error"]
    finally:
        tmp_path.chmod(0o700)


FULL = """
import resource, sys
import asana_jobs_pd as aj
base_url, gid, dest, limit = sys.argv[1:]
client = aj.connect("t" * 9, base_url=base_url)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
print(aj.download_asana_exports(gid, dest)["file.error"].iloc[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(aj.download_asana_exports(gid, dest)["file.error"].iloc[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_disk_that_is_full_keeps_the_part(sandbox, tmp_path):
    """What fits is kept to the byte, and the next download fetches the rest."""
    asana = sandbox(token="t" * 9, clock=None, export_rows=60)
    (gid,) = asana.gids(1, "export_request")
    asana.finish(gid)
    dest = tmp_path / "exports"
    printed = run_child(FULL, asana.base_url, gid, dest, 4000, folder=tmp_path)
    first, second = printed.splitlines()
    assert "exceeds a limit of the file system" in first
    assert second == "<NA>"
    assert ranges(asana) == [None, "bytes=4000-"]
    assert names(dest) == [f"{gid}-resource.jsonl.gz"]
