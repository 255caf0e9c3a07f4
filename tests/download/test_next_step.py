"""Each response of the file store leads to one decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._download.transfer import error_code, next_step
from asana_jobs_pd._download.verify import strong_etag

ETAG = '"0123abc"'
OTHER = '"ffff"'


def action(status, headers=None, *, code=None, size=0, etag=None):
    return next_step(status, headers or {}, code, size, etag).action


def test_200_is_the_whole_file():
    """Its length and ETag are used."""
    decision = next_step(200, {"Content-Length": "12", "ETag": ETAG}, None, 0, None)
    assert (decision.action, decision.total, decision.etag) == ("fresh", 12, ETAG)


def test_200_to_a_range_starts_over():
    """The part on disk is dropped: the response starts at the first byte."""
    assert action(200, {"ETag": ETAG}, size=5, etag=ETAG) == "fresh"


@pytest.mark.parametrize("length", ["", "-1", "1e3", "٣", "9" * 30, None])
def test_an_odd_length_is_none(length):
    """A length is checked before it is used."""
    headers = {} if length is None else {"Content-Length": length}
    assert next_step(200, headers, None, 0, None).total is None


def test_a_length_says_nothing_of_chunks():
    """With a transfer coding there is no length."""
    headers = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
    assert next_step(200, headers, None, 0, None).total is None


@pytest.mark.parametrize("etag", [ETAG, None])
def test_206_goes_on(etag):
    """When it begins where the part ends and has the same content."""
    headers = {"Content-Range": "bytes 5-11/12"} | ({"ETag": etag} if etag else {})
    decision = next_step(206, headers, None, 5, ETAG)
    assert (decision.action, decision.total, decision.etag) == ("append", 12, ETAG)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 5-11/12", "ETag": OTHER},
        {"Content-Range": "bytes 4-11/12", "ETag": ETAG},
        {"Content-Range": "bytes 6-11/12", "ETag": ETAG},
        {"Content-Range": "bytes */12", "ETag": ETAG},
        {"ETag": ETAG},
    ],
)
def test_206_of_something_else_starts_over(headers):
    """Changed content, or bytes that were not requested, are never appended."""
    assert action(206, headers, size=5, etag=ETAG) == "restart"


def test_206_unasked_for_is_no_answer():
    """Without a part there is nothing to continue and nothing to drop."""
    assert action(206, {"Content-Range": "bytes 5-11/12"}) == "fail"


def test_416_finishes_a_complete_part():
    """The server has as many bytes as we have."""
    assert action(416, {"Content-Range": "bytes */12"}, size=12, etag=ETAG) == "complete"


@pytest.mark.parametrize("range_", ["bytes */11", "bytes */13", "", "nonsense"])
def test_416_otherwise_starts_over(range_):
    """A part that is longer than the file belongs to another file."""
    assert action(416, {"Content-Range": range_}, size=12, etag=ETAG) == "restart"
    assert action(416, {"Content-Range": range_}) == "fail"


@pytest.mark.parametrize(("status", "code"), [(403, None), (404, None), (410, None)])
def test_a_refused_url_is_renewed(status, code):
    """It may have expired, or the file may be gone: the job knows."""
    assert action(status, code=code) == "renew"
    assert action(400) == "fail"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "ExpiredToken", "renew"),
        (400, "InvalidToken", "renew"),
        (400, "TokenRefreshRequired", "renew"),
        (403, "RequestTimeTooSkewed", "renew"),
        (403, "SignatureDoesNotMatch", "renew"),
        (403, "InvalidObjectState", "fail"),
        (400, "RequestTimeout", "retry"),
        (400, "SlowDown", "retry"),
        (409, "OperationAborted", "retry"),
        (503, "SlowDown", "retry"),
        (500, "InternalError", "retry"),
        (301, "PermanentRedirect", "fail"),
        (307, "TemporaryRedirect", "fail"),
        (301, None, "fail"),
        (304, "SlowDown", "fail"),
        (400, "InvalidArgument", "fail"),
        (408, None, "retry"),
        (425, None, "retry"),
        (409, None, "renew"),
    ],
)
def test_the_code_of_an_error_says_more_than_its_status(status, code, expected):
    """S3 uses one status for temporary and permanent errors."""
    assert action(status, code=code) == expected


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_trouble_of_the_server_is_waited_out(status):
    """For as long as it asks, if it says so in a number."""
    assert next_step(status, {"Retry-After": "7"}, None, 0, None).retry_after == 7
    assert next_step(status, {"Retry-After": "soon"}, None, 0, None).retry_after is None
    assert action(status) == "retry"


@given(
    status=st.integers(100, 599),
    range_=st.text(max_size=30) | st.from_regex(r"bytes \d{1,3}-\d{1,3}/\d{1,3}", fullmatch=True),
    etag=st.sampled_from([ETAG, OTHER, None]),
    size=st.integers(0, 999),
)
def test_nothing_is_appended_in_the_wrong_place(status, range_, etag, size):
    """Only a 206 from exactly that byte, with the kept ETag, is appended."""
    headers = {"Content-Range": range_} | ({"ETag": etag} if etag else {})
    decision = next_step(status, headers, None, size, ETAG)
    if decision.action == "append":
        assert status == 206
        assert range_.startswith(f"bytes {size}-")
        assert etag in (None, ETAG)
        assert size > 0
    if decision.action == "fresh":
        assert status == 200


@pytest.mark.parametrize("etag", ['W/"abc"', "abc", '""', '"a\nb"', f'"{"a" * 300}"', None])
def test_only_a_strong_etag_identifies_a_content(etag):
    """A weak one does not promise identical bytes."""
    assert strong_etag({} if etag is None else {"ETag": etag}) is None


def test_only_known_words_of_an_error_are_shown():
    """S3 repeats keys and signatures in its XML."""
    secret = b"<Error><Code>%s</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>"
    assert error_code(secret % b"AccessDenied") == "AccessDenied"
    assert error_code(secret % b"AKIAIOSFODNN") is None
    assert error_code(b"<html>") is None


def test_a_whole_file_as_a_range_that_nobody_requested():
    """Some proxies answer 206 to everything."""
    step = next_step(206, {"Content-Range": "bytes 0-11/12", "ETag": ETAG}, None, 0, None)
    assert (step.action, step.total, step.etag) == ("fresh", 12, ETAG)
    assert next_step(206, {"Content-Range": "bytes 0-10/12"}, None, 0, None).action == "fail"


def test_a_precondition_that_failed_starts_over():
    """Otherwise the part would be refused forever."""
    assert next_step(412, {}, None, 5, ETAG).action == "restart"
    assert next_step(412, {}, None, 0, None).action == "fail"
