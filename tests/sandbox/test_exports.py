"""Export files behind signed URLs behave like S3's."""

import re
import zlib
from urllib.parse import parse_qs, urlsplit

import pytest

from .conftest import Asker, fetch

TYPES = ("graph_export", "export_request")


@pytest.fixture
def asana(sandbox):
    """A sandbox with short files."""
    return sandbox(export_rows=20)


@pytest.fixture
def url(asana):
    """A fresh URL."""
    return asana.export_url("5", "export_request")


def code(reply):
    """Return the code of an XML error."""
    assert reply.headers["Content-Type"] == "application/xml"
    return re.search(rb"<Error><Code>(\w+)</Code><Message>(.+)</Message>", reply.body)[1].decode()


@pytest.mark.parametrize("kind", ["graph_export_request", "export_request"])
def test_a_job_leads_to_its_file(asana, ask, kind):
    """The URL in the record serves a gzip file, without any header."""
    gid = asana.gids(1, kind)[0]
    asana.finish(gid)
    data = ask.job(gid).data
    (export,) = (value for key, value in data.items() if key.endswith("export") and value)
    reply = fetch(export["download_url"])
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/gzip"
    assert reply.headers["Content-Encoding"] is None
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    assert zlib.decompress(reply.body, 31).startswith(b'{"')


def test_a_url_says_how_long_it_is_good(sandbox):
    """Its query has the form S3's has, with the life that was asked for, rounded up."""
    asana = sandbox(url_lifetime=59.5)
    asana.advance(61)
    query = parse_qs(urlsplit(asana.export_url("5", "graph_export")).query)
    signature = query.pop("X-Amz-Signature")[0]
    assert re.fullmatch(r"[0-9a-f]{64}", signature)
    assert query == {
        "X-Amz-Algorithm": ["AWS4-HMAC-SHA256"],
        "X-Amz-Date": ["20260101T000101Z"],
        "X-Amz-Expires": ["60"],
        "X-Amz-SignedHeaders": ["host"],
    }


def test_urls_are_fresh_on_every_retrieval(asana, ask):
    """A record read later bears a URL that lives longer, for the same file."""
    gid = asana.gids(1, "export_request")[0]
    asana.finish(gid)
    urls = []
    for _ in range(2):
        urls.append(ask.job(gid).data["new_resource_export"]["download_url"])
        asana.advance(200)
    assert urls[0] != urls[1]
    assert [fetch(url).status for url in urls] == [403, 200]


def test_a_url_expires(asana, url):
    """After its life it is a 403 with the words of S3."""
    asana.advance(300)
    assert fetch(url).status == 200
    asana.advance(1)
    reply = fetch(url)
    assert (reply.status, code(reply)) == (403, "AccessDenied")
    assert b"<Message>Request has expired</Message>" in reply.body


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Expires=300", "Expires=9999"),
        ("_5.jsonl", "_6.jsonl"),
        ("Signature=", "Signature=0"),
        ("export_request_", "graph_export_"),
        ("X-Amz-Date=2026", "X-Amz-Date=2027"),
        ("&X-Amz-SignedHeaders=host", ""),
        ("Signature=", "Signature=%C3%A9"),
    ],
)
def test_a_url_is_good_as_it_is_only(url, old, new):
    """Any change of path or query breaks the signature."""
    assert old in url
    reply = fetch(url.replace(old, new))
    assert (reply.status, code(reply)) == (403, "SignatureDoesNotMatch")


def test_a_url_without_a_signature_is_refused(url):
    """Nobody sees a file, nor whether there is one, without a signature."""
    for target in (url.partition("?")[0], url.partition("&X-Amz-Signature")[0]):
        assert code(fetch(target)) == "AccessDenied"


def test_a_url_of_another_sandbox_is_refused(sandbox, url):
    """Each sandbox signs with a secret of its own, even with the same seed."""
    other = sandbox()
    target = url.replace(url.split("/exports")[0], other.base_url.removesuffix("/api/1.0"))
    assert code(fetch(target)) == "SignatureDoesNotMatch"


def test_a_token_beside_a_signature_is_refused_and_counted(asana, url):
    """S3 takes one or the other, and a client that sends its token there leaks it."""
    reply = fetch(url, headers={"Authorization": "Bearer sandbox"})
    assert (reply.status, code(reply)) == (400, "InvalidArgument")
    assert asana.stats.authorization_on_exports == 1
    assert fetch(url).status == 200
    assert asana.stats.authorization_on_exports == 1


def test_head_is_get_without_the_body(url):
    """The headers are the same."""
    head, get = fetch(url, method="HEAD"), fetch(url)
    assert head.body == b""
    for name in ("Content-Length", "ETag", "Accept-Ranges", "Content-Type"):
        assert head.headers[name] == get.headers[name]


def test_files_are_read_only(url):
    """Other methods are a 405."""
    assert code(fetch(url, method="PUT")) == "MethodNotAllowed"


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=100-", 100, -1)],
)
def test_ranges_are_parts_of_the_file(url, header, first, last):
    """A range is a 206 with exactly its bytes, and says which of how many they are."""
    whole = fetch(url).body
    size = len(whole)
    reply = fetch(url, headers={"Range": header})
    start, end = first % size, last % size
    assert reply.status == 206
    assert reply.body == whole[start : end + 1]
    assert reply.headers["Content-Range"] == f"bytes {start}-{end}/{size}"
    assert int(reply.headers["Content-Length"]) == end - start + 1


def test_a_range_may_reach_beyond_the_end(url):
    """Then it ends where the file ends."""
    size = len(fetch(url).body)
    reply = fetch(url, headers={"Range": f"bytes=5-{size * 2}"})
    assert reply.headers["Content-Range"] == f"bytes 5-{size - 1}/{size}"


def test_a_range_beyond_the_end_is_refused(url):
    """A client that has everything is told so with the size of the file."""
    size = len(fetch(url).body)
    for first in (size, size + 9):
        reply = fetch(url, headers={"Range": f"bytes={first}-"})
        assert (reply.status, code(reply)) == (416, "InvalidRange")
        assert reply.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "header",
    ["bytes=", "bytes=-", "bytes=9-3", "lines=1-2", "bytes=0-1,5-6", f"bytes={'9' * 5000}-"],
)
def test_ranges_that_make_no_sense_are_ignored(url, header):
    """So are several at once: the whole file comes."""
    assert fetch(url, headers={"Range": header}).status == 200


def test_a_file_that_changed_comes_whole(asana, url):
    """`If-Range` protects a resumed download from mixing two editions."""
    before = fetch(url)
    resume = {"Range": "bytes=10-", "If-Range": before.headers["ETag"]}
    assert fetch(url, headers=resume).status == 206
    asana.republish("5")
    after = fetch(url, headers=resume)
    assert after.status == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.body != before.body


def test_files_follow_from_seed_and_gid(sandbox):
    """The same file comes from another sandbox with the same seed, another from others."""

    def tag(seed, gid, kind):
        return fetch(sandbox(seed=seed, export_rows=2).export_url(gid, kind)).headers["ETag"]

    tags = [tag(*which) for which in [(1, "5", TYPES[0]), (1, "5", TYPES[0]), (2, "5", TYPES[0])]]
    tags += [tag(1, "6", TYPES[0]), tag(1, "5", TYPES[1])]
    assert tags[0] == tags[1]
    assert len(set(tags)) == 4


def test_sent_bytes_are_counted(sandbox):
    """`downloads` and `export_bytes` tell what a client really fetched."""
    asana = sandbox(export_rows=600)
    url = asana.export_url("5", "export_request")
    size = len(fetch(url).body)
    assert size > 64 * 1024
    fetch(url, headers={"Range": "bytes=0-99"})
    fetch(url, method="HEAD")
    assert (asana.stats.downloads, asana.stats.export_bytes) == (3, size + 100)
    assert asana.stats.requests == 0


def test_an_unknown_file_is_refused(asana):
    """Without a signature as any other would be; with one it is not there."""
    base = asana.base_url.removesuffix("/api/1.0")
    assert fetch(f"{base}/exports/other.txt").status == 403
    assert code(fetch(asana.export_url("other", "graph_export"))) == "NoSuchKey"


def test_a_record_can_carry_both_exports(asana):
    """As in the example of Asana's documentation: any gid has a file of either kind."""
    ask = Asker(asana)
    record = {
        "gid": "12345",
        "new_graph_export": {"gid": "1", "download_url": asana.export_url("12345", TYPES[0])},
        "new_resource_export": {"gid": "2", "download_url": asana.export_url("12345", TYPES[1])},
    }
    asana.record("12345", record)
    data = ask.job("12345").data
    files = [fetch(data[f"new_{name}_export"]["download_url"]) for name in ("graph", "resource")]
    assert [file.status for file in files] == [200, 200]
    assert files[0].body != files[1].body


def test_any_bytes_can_be_published(asana, url):
    """Whatever they are, with an ETag of their own, ranges included."""
    before = fetch(url)
    asana.publish("5", b"not gzip at all")
    after = fetch(url)
    assert (after.status, after.body) == (200, b"not gzip at all")
    assert after.headers["ETag"] != before.headers["ETag"]
    assert fetch(url, headers={"Range": "bytes=9-"}).body == b"at all"


def test_files_go_as_asanas_do(asana, ask):
    """Their jobs have no URL any more, and earlier URLs lead to a 404."""
    gid = asana.gids(1, "export_request")[0]
    asana.finish(gid)
    url = ask.job(gid).data["new_resource_export"]["download_url"]
    asana.expire_export(gid)
    reply = fetch(url)
    assert (reply.status, code(reply)) == (404, "NoSuchKey")
    export = ask.job(gid).data["new_resource_export"]
    assert export["download_url"] is None
    assert export["completed_at"]
