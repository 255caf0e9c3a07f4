"""A verifier tells complete gzip files from all others, however their bytes arrive."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
import zlib

import pytest
from export_fixtures import packed
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._download import verify
from asana_jobs_pd._download.verify import CorruptFileError, Verifier

TEXT = b"".join(b'{"gid": "%d", "name": "n%d"}\n' % (n, n * 7919 % 1000) for n in range(4000))
FILE = packed(TEXT)


@pytest.fixture(autouse=True, params=["isal", "zlib"])
def inflater(request, monkeypatch):
    """ISA-L where it is installed, and zlib, which replaces it elsewhere."""
    if request.param == "zlib":
        monkeypatch.setattr(verify, "_zlib", zlib)
    elif verify._zlib is zlib:
        pytest.skip("isal is not installed here")


def verified(data, step=1000, limit=None):
    verifier = Verifier(limit)
    for place in range(0, len(data), step):
        verifier.feed(data[place : place + step])
    verifier.finish()
    return verifier


def refused(data, step=1000, limit=None):
    with pytest.raises(CorruptFileError) as caught:
        verified(data, step, limit)
    return str(caught.value)


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
def test_a_whole_file_passes(step):
    """Its size, its hash and what it inflates to are known, in one pass."""
    verifier = verified(FILE, step)
    assert verifier.size == len(FILE)
    assert verifier.sha256 == hashlib.sha256(FILE).hexdigest()
    assert verifier.inflated == len(TEXT)


@given(
    parts=st.lists(st.binary(max_size=300).map(b"{".__add__), min_size=1, max_size=4),
    zeros=st.integers(0, 40),
    step=st.integers(1, 400),
)
def test_members_follow_each_other(parts, zeros, step):
    """A gzip file may have several members, with zeros between and after them."""
    data = b"".join(packed(part) + b"\0" * zeros for part in parts)
    assert verified(data, step).inflated == sum(map(len, parts))


@given(cut=st.integers(0, len(FILE) - 1), step=st.sampled_from([64, 999, 10**6]))
def test_every_cut_is_seen(cut, step):
    """A file that ends early never passes, wherever it was cut."""
    said = refused(FILE[:cut], step)
    assert "in the middle" in said if cut else "empty" in said


@given(place=st.integers(0, len(FILE) - 1), bit=st.integers(0, 7))
def test_files_that_gzip_refuses_are_refused(place, bit):
    """A flipped bit passes only in header fields that do not matter."""
    data = bytearray(FILE)
    data[place] ^= 1 << bit
    try:
        same = gzip.decompress(data) == TEXT
    except (OSError, EOFError, zlib.error):
        same = False
    if same:
        assert verified(bytes(data)).inflated == len(TEXT)
    else:
        assert refused(bytes(data))


@pytest.mark.parametrize(("place", "what"), [(-1, "length"), (-6, "CRC")])
def test_crc_and_length_are_checked(place, what):
    """The error says what was wrong."""
    data = bytearray(FILE)
    data[place] ^= 1
    assert "CRC or length does not match" in refused(bytes(data)), what


@pytest.mark.parametrize("junk", [b"\n", b"<Error>", b"\x1fX", b"\0\0x", b"x" * 3000])
def test_bytes_after_the_end_are_kept_and_counted(junk):
    """As gunzip does, which warns."""
    assert verified(FILE + junk).trailing == len(junk)
    assert verified(FILE + junk).inflated == len(TEXT)


def test_zeros_after_the_end_are_nothing_special():
    """Tapes and some file systems pad files with them."""
    assert verified(FILE + bytes(512)).trailing == 0


def test_a_second_member_that_is_cut_is_seen():
    """Even in the middle of its first two bytes."""
    assert "in the middle" in refused(FILE + FILE[:100])
    assert "in the middle" in refused(FILE + b"\x1f")


@pytest.mark.parametrize("endless", [bytes(2**20), b"x" * 2**20, packed(b"") * 2**15])
def test_endless_data_is_stopped(endless):
    """Zeros, junk or empty members after the end count towards the limit."""
    verifier = Verifier(10**6)
    verifier.feed(FILE)
    with pytest.raises(CorruptFileError, match="more than the 1,000,000 bytes"):
        for _ in range(10):
            verifier.feed(endless)
    assert verifier.too_large


def test_without_a_limit_too():
    """16 MiB after the end cannot be an accident."""
    verifier = Verifier()
    verifier.feed(FILE)
    with pytest.raises(CorruptFileError, match="follow the end"):
        for _ in range(20):
            verifier.feed(bytes(2**20))


@pytest.mark.parametrize("step", [1, 1000, 10**6])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n \n"])
def test_json_lines_that_were_unpacked_on_the_way_pass(step, end):
    """Something between the store and us may unpack a .gz by itself."""
    verifier = verified(TEXT.rstrip() + end, step)
    assert (verifier.format, verifier.inflated) == ("json", verifier.size)
    assert verified(b'\xef\xbb\xbf[{"gid": "1"}]').format == "json"
    assert verified(b"[]").format == "json"


@pytest.mark.parametrize("step", [1, 7, 10**6])
@pytest.mark.parametrize("end", ["]", '], "next_page": null}'])
def test_a_json_document_passes_and_its_cuts_do_not(step, end):
    """Rows on lines of their own, brackets and quotes in texts; every cut is seen."""
    start = '{"data": [' if end != "]" else "["
    rows = ",\n".join(f'{{"gid": "{n}", "name": "}} ] \\" [", "tags": []}}' for n in range(3))
    document = f"{start}{rows}{end}".encode()
    assert verified(document, step).format == "json"
    for cut in range(len(start) + 20, len(document)):
        with pytest.raises(CorruptFileError, match="ends in the middle"):
            verified(document[:cut], step)


@given(cut=st.integers(1, 300))
def test_json_lines_that_are_cut_within_a_line_are_seen(cut):
    """A cut between two lines shows only in the announced length."""
    lines = b"".join(b'{"gid": "%d", "n": {"a": 1}}\n' % n for n in range(20))
    if lines[:-cut].endswith((b"}}", b"\n")):
        assert verified(lines[:-cut]).size == len(lines) - cut
    else:
        assert "in the middle of a line" in refused(lines[:-cut])


def test_gzip_within_gzip_is_seen():
    """A server that packs what is packed."""
    assert verified(packed(FILE)).nested
    assert not verified(FILE).nested


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"error": "log in first"}\n', "looks like JSON, but not like an export"),
        (b"\n[1]", "looks like JSON, but not like an export"),
        (packed(b"<html>log in first</html>"), "inflates to HTML or XML"),
        (b"<Error><AWSAccessKeyId>KEY</AWSAccessKeyId></Error>", "looks like XML"),
        (b"PK\3\4", "not gzip"),
    ],
)
def test_other_formats_are_named(data, said):
    """Without quoting it: an error page may contain keys."""
    words = refused(data)
    assert said in words
    assert "KEY" not in words


def test_a_bomb_needs_no_memory():
    """64 MiB of zeros in 64 KiB are inflated bit by bit."""
    bomb = packed(bytes(64 * 2**20), 9)
    assert len(bomb) < 2**17
    tracemalloc.start()
    try:
        assert verified(bomb, 2**18).inflated == 64 * 2**20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_a_bomb_can_be_stopped():
    """At the limit that was set, not at its end."""
    bomb = packed(bytes(64 * 2**20), 9)
    verifier = Verifier(10**6)
    with pytest.raises(CorruptFileError, match="more than the 1,000,000 bytes"):
        verifier.feed(bomb)
    assert verifier.inflated < 2 * 10**6
