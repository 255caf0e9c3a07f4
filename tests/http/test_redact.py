"""Secrets are masked wherever they are; the rest stays readable."""

import json
import logging
import re
import string
import threading
import time
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from seed import GRAPH_URL, RESOURCE_URL

from asana_jobs_pd._http.redaction import (
    MAX_TEXT,
    clean,
    hide_query,
    mask_logs,
    may_hold_secret,
    redact,
)
from asana_jobs_pd._http.signed_urls import SignedUrl

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
    """It is masked whatever surrounds it."""
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
def test_credentials_are_masked(before, scheme, token, after):
    """What follows Bearer or Basic is a credential, unless it is a word."""
    assume(not token.strip(".,;:!?([)]'\"“”…").replace("/", "").replace("-", "").isalpha())
    text = f"{before} {scheme}{token} {after}"
    assert token not in redact(text).removeprefix(before).removesuffix(after)
    assert redact(f"{scheme}{token}") == f"{scheme.strip()} …"


@pytest.mark.parametrize(
    "credential", ["dXNlcjpwYXNz", "abcdefghijklmnopqrstuvwxyz", "AbCdEfGh", "a1b2", "x.y.z", "t=1"]
)
def test_letters_that_are_no_word_are_a_credential(credential):
    """Mixed case, digits, inner punctuation, or more letters than a word has."""
    assert credential not in redact(f"sent Bearer {credential}, again Basic {credential}")


@pytest.mark.parametrize("header", ["Authorization: ", "authorization=", "'Authorization': '"])
def test_a_header_is_masked_whatever_its_value(header):
    """Even if it is a word."""
    assert redact(f"{header}Bearer secret") == f"{header}Bearer …"


@pytest.mark.parametrize(
    "text",
    [
        "The bearer token has expired.",
        "Please use it to request a new bearer token.",
        "Basic authentication is not supported; use a Bearer token instead!",
        "Your basic plan's limit, or Bearer-token: (bearer auth) BASIC AUTH",
        'Bearer tokens/PATs, \'bearer tokens\', "Basic" "bearer tokens", basic 10 seats',
    ],
)
def test_asanas_sentences_stay_whole(text):
    """Ordinary words after Bearer and Basic are kept."""
    assert redact(text) == clean(text) == text


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
    """An empty secret masks nothing."""
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


@given(st.integers(0, 2 * MAX_TEXT), opaque, st.sampled_from([" ", "\n", "-", "/a?b=c&"]))
def test_a_secret_that_is_cut_does_not_show_its_half(length, secret, filling):
    """Only the beginning of a long text is looked at; a token across the end leaves no part."""
    text = (filling * length)[:length] + secret + "." * MAX_TEXT
    shown = clean(text, secret)
    assert secret[:8] not in shown


PIECES = [
    *("/", "/a", "X-Amz-", "X-Amz-a=", "://", "bearer ", "bearer\t\t", "1/1", "1/", "a@"),
    *("0/0", "2%2F", "1\\/1:", "authorization:", "authorization: bearer ", "Signature=", "&", " "),
    *("http://a", "a b/c?", "'", "\x00", "bearer a-", "0123456789abcdef", "%3D", "Policy"),
    *("?", "/?"),
]


@pytest.mark.parametrize("piece", PIECES)
def test_masking_takes_time_linear_in_the_text(piece):
    """50,000 characters that the patterns look for take no time.

    Quadratic time would be minutes.
    """
    began = time.process_time()
    for text in (piece * (50_000 // len(piece)), "x?" + piece * (50_000 // len(piece)) + "!"):
        redact(text)
        may_hold_secret(text)
    assert time.process_time() - began < 10


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join))
@settings(max_examples=20)
def test_mixtures_of_these_take_linear_time_too(piece):
    """Patterns may meet each other's beginnings."""
    began = time.process_time()
    redact(piece * (50_000 // len(piece)))
    assert time.process_time() - began < 10


@pytest.mark.parametrize("piece", PIECES)
def test_only_the_beginning_of_a_huge_text_is_shown(piece):
    """Its first 4,000 characters."""
    beginning = piece * (2 * MAX_TEXT // len(piece))
    assert clean(piece * (1_000_000 // len(piece))) == clean(beginning)


def test_the_log_lines_about_our_requests_are_masked(asana, client, caplog):
    """At DEBUG urllib3 logs paths; the queries of ours do not show, over kept connections too."""
    mine = client(asana)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            assert mine.get_job(GID, ("status",))["gid"] == GID
        mine.signed_transport().open(
            SignedUrl(f"{asana.base_url}/x?X-Amz-Signature={SIGNATURE}"), {}
        ).close()
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("urllib3")]
    assert sum(f'"GET /api/1.0/jobs/{GID}?… HTTP/' in line for line in lines) == 2
    assert any('"GET /api/1.0/x?… HTTP/' in line for line in lines)
    for secret in (TOKEN, "opt_fields", SIGNATURE):
        assert secret not in caplog.text


@pytest.mark.parametrize("logger", ["urllib3.connectionpool", "urllib3.connection", "requests"])
def test_log_lines_of_others_stay_as_they_are(asana, client, caplog, logger):
    """Before and after our requests, and in other threads meanwhile."""
    mine, line = client(asana), 'GET /search?q=cats&token=x "Bearer abc"'
    asana.fault("delay", seconds=0.3)
    with caplog.at_level(logging.DEBUG):
        reading = threading.Thread(target=mine.get_job, args=(GID,))
        reading.start()
        while reading.is_alive():
            logging.getLogger(logger).debug("%s", line)
            reading.join(0.05)
        logging.getLogger(logger).debug("%s", line)
    lines = [record.getMessage() for record in caplog.records if "search" in record.getMessage()]
    assert set(lines) == {line}


def test_the_logs_are_masked_once():
    """Many clients add one filter."""
    logger = logging.getLogger("urllib3.connectionpool")
    mask_logs()
    before = list(logger.filters)
    mask_logs()
    assert logger.filters == before
