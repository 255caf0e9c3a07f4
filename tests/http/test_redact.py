"""What nobody may see is masked, wherever it stands; the rest stays readable."""

import json
import logging
import re
import string
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seed import GRAPH_URL, RESOURCE_URL

from asana_jobs_pd._http.redaction import LONGEST, clean, hide_query, mask_logs, redact

from .conftest import GID, SIGNATURE, TOKEN

VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
pats = st.from_regex(r"(?:[12]/[0-9]{1,18}(?:/[0-9]{1,18})?:|0/)[0-9a-f]{32}", fullmatch=True)
opaque = st.text(VISIBLE, min_size=12, max_size=60)
around = st.text(max_size=60)
hexes = st.text("0123456789abcdef", min_size=32, max_size=64)
signed = st.sampled_from(
    ["X-Amz-Signature", "x-amz-signature", "X-Amz-Security-Token", "X-Amz-Credential", "Signature"]
)
# As Asana's documentation has them: a space before the name of the file, and after an &.
EXAMPLE = (
    "https://asana-export-us-east-1.s3.us-east-1.amazonaws.com/2563/domain_export/7588/download/"
    " domain_export_2563_7588_2023018-201726.json.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
    " X-Amz-Content-Sha256={0}&X-Amz-Date={0}&X-Amz-Expires=300&X-Amz-Security-Token={0}&"
    " X-Amz-Signature={0}&X-Amz-SignedHeaders=host&x-id=GetObject#_=_"
)


@given(around, pats, around)
@example("token", TOKEN, "abc")
@example("Bearer x", TOKEN, "")
def test_a_personal_access_token_is_known_by_its_form(before, token, after):
    """It survives nowhere, whatever letters stand around it."""
    assert token not in redact(before + token + after)
    assert token not in clean(before + token + after)


@given(pats)
def test_a_personal_access_token_is_known_in_other_spellings(token):
    """JSON may write a slash as backslash and slash, a URL as %2F."""
    secret = re.split("[:/]", token)[-1]
    assert secret not in redact(token.replace("/", "\\/"))
    assert secret not in redact(quote(token, safe=""))


@given(around, st.sampled_from(["Bearer ", "bearer  ", "BEARER\t", "Basic "]), opaque, around)
@example("{'Authorization': '", "Bearer ", "a'b,c;d<e>f\"ghijk", "'}")
def test_what_authorizes_is_masked(before, scheme, token, after):
    """What follows Bearer or Basic is a credential, whatever it is made of."""
    text = f"{before} {scheme}{token} {after}"
    assert token not in redact(text).removeprefix(before).removesuffix(after)
    assert redact(f"{scheme}{token}") == f"{scheme.strip()} …"


@given(around, opaque, around)
def test_a_given_secret_never_survives(before, secret, after):
    """A token without a form of its own is masked where it is told."""
    for text in (
        before + secret + after,
        before + json.dumps(secret)[1:-1] + after,
        before + secret.replace("/", "\\/") + after,
        before + quote(secret, safe="") + after,
    ):
        assert secret not in redact(text, secret)
        assert secret not in clean(text, secret)
    assert redact(secret, secret) == redact(quote(secret, safe=""), secret) == "…"


@given(around)
def test_no_secret_is_not_a_secret(text):
    """An empty secret masks nothing of its own."""
    assert redact(text, "") == redact(text)


@given(signed, hexes, st.sampled_from([" ", "", "/", "& ", "?", "https://s3.example/a?b=c&"]))
def test_a_signature_never_survives(name, secret, before):
    """It is masked by its name: in a query, in a path and between stray spaces."""
    for text in (
        f"{before}{name}={secret}",
        f"/download/{name}={secret}/file.json.gz",
        f"u=https%3A%2F%2Fs3.example%2F%3F{name}%3D{secret}",
    ):
        assert secret not in redact(text)


@given(hexes)
def test_asanas_own_example_urls_are_masked(secret):
    """The URLs in Asana's documentation hold spaces; no credential in them survives."""
    shown = clean(f"GET {EXAMPLE.format(secret)} failed", limit=10_000)
    assert secret not in shown
    assert shown.startswith("GET https://asana-export-us-east-1")


@pytest.mark.parametrize("url", [GRAPH_URL, RESOURCE_URL], ids=["graph", "resource"])
def test_the_contracts_own_urls_lose_what_signs_them(url):
    """Word for word as in the contract, each parameter's value goes."""
    assert "xxxxxxxx" in url
    assert "xxxxxxxx" not in redact(url)


@given(st.text(string.ascii_letters + string.digits + "&=%-_.", min_size=8, max_size=80))
def test_the_query_of_a_url_is_masked(query):
    """Of a URL, absolute or as in a log line, everything after the ? goes."""
    assert redact(f"see https://s3.example/a/b?{query} now") == "see https://s3.example/a/b?… now"
    assert redact(f'"GET /jobs/1?{query} HTTP/1.1"') == '"GET /jobs/1?… HTTP/1.1"'


@pytest.mark.parametrize("password", ["p", "p@ss", "p:w", "%40"])
def test_the_user_of_a_url_is_masked(password):
    """Proxies are given with a user and a password, which may hold an @."""
    url = f"http://me:{password}@proxy.example:3128/x"
    assert redact(url) == hide_query(url) == "http://…@proxy.example:3128/x"


@given(around)
def test_masking_twice_changes_nothing(text):
    """What was masked holds nothing more to mask."""
    once = redact(text, "secret")
    assert redact(once, "secret") == once


def test_ordinary_text_stays():
    """What holds no secret is not touched."""
    text = "Job 1200: 404 Not Found. Why? See https://developers.asana.com/docs/errors#x, or 1/2."
    assert redact(text) == clean(text) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://s3.example/a.gz?X-Amz-Signature=abc", "https://s3.example/a.gz?…"),
        ("https://s3.example/a.gz", "https://s3.example/a.gz"),
        ("https://s3.example/a.gz#abc", "https://s3.example/a.gz"),
        (EXAMPLE.format(SIGNATURE), EXAMPLE.partition("?")[0] + "?…"),
        ("https://u:p@s3.example/a?b?c", "https://…@s3.example/a?…"),
    ],
)
def test_a_signed_url_is_shown_without_its_query(url, shown):
    """What is before the ? may be shown, and that there was more."""
    assert hide_query(url) == shown


@given(st.text() | st.text(BIDI + "\r\n\t\x1b[31m\x85\u2028\ufeff\ud83dabc"), st.integers(1, 400))
def test_clean_text_is_one_printable_line(text, limit):
    """Foreign text cannot end the line, colour it, turn it round or flood the screen."""
    line = clean(text, limit=limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in line)
    assert not set(line) & set(BIDI)
    line.encode()


@given(st.integers(0, 2 * LONGEST), opaque, st.sampled_from([" ", "\n", "-", "/a?b=c&"]))
def test_a_secret_that_is_cut_does_not_show_its_half(length, secret, filling):
    """Only the beginning of a long text is looked at; a token across the end leaves no part."""
    text = (filling * length)[:length] + secret + "." * LONGEST
    shown = clean(text, secret)
    assert secret[:8] not in shown


@pytest.mark.parametrize("piece", ["/", "/a", "X-Amz-", "://", "bearer ", "1/1", "a@"])
def test_a_huge_text_is_cut_first(piece):
    """A megabyte of what the masks look for is as much work as its first 4,000 characters."""
    beginning = piece * (2 * LONGEST // len(piece))
    assert clean(piece * 1_000_000) == clean(beginning)


def test_the_logs_of_urllib3_are_masked(asana, client, caplog):
    """At DEBUG urllib3 logs every request's path and headers; no query and no token shows."""
    mine = client(asana)
    with caplog.at_level(logging.DEBUG):
        assert mine.get_job(GID, ("status",))["gid"] == GID
        logging.getLogger("urllib3.connectionpool").debug(
            "%s /x?X-Amz-Signature=%s", TOKEN, SIGNATURE
        )
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("urllib3")]
    assert f'"GET /api/1.0/jobs/{GID}?… HTTP/' in lines[1]
    assert lines[-1] == "… /x?…"
    assert TOKEN not in caplog.text
    assert "opt_fields" not in caplog.text
    assert SIGNATURE not in caplog.text


def test_the_logs_are_masked_once():
    """Many clients add one filter."""
    logger = logging.getLogger("urllib3.connectionpool")
    mask_logs()
    before = list(logger.filters)
    mask_logs()
    assert logger.filters == before
