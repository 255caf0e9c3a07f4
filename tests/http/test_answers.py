"""From bytes to a record, or to an error that says what happened and what to do."""

import json
import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._http.auth import Token
from asana_jobs_pd._http.responses import read_job
from asana_jobs_pd._http.transport import MAX_BODY, ConnectionFailure, Response
from asana_jobs_pd.errors import (
    AuthenticationError,
    BodyError,
    NetworkError,
    RequestError,
    RequestTimeoutError,
    StatusError,
)

from .conftest import GID, SIGNATURE, TOKEN

SECRET = Token(TOKEN, "a test")
JSON = {"Content-Type": "application/json"}


def read(body, status=200, headers=JSON, token=SECRET):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_job(Response(status, headers, body), GID, token)


def envelope(message=None, **more):
    return {"errors": [{"message": message, **more}]}


@given(st.dictionaries(st.text(), st.none() | st.integers(-(2**53), 2**53) | st.text()))
def test_a_record_comes_as_it_is(record):
    """What is under "data" is returned, unknown fields and all."""
    record["gid"] = GID
    assert read({"data": record, "more": 1}) == record


def test_a_record_may_lack_its_gid():
    """Asana always sends it, but a missing gid is not a different gid."""
    assert read({"data": {"status": "succeeded"}}) == {"status": "succeeded"}


@pytest.mark.parametrize("gid", ["1", 1200000000000001, 1.2e15, True, None, [GID], {"gid": GID}])
def test_a_record_about_another_job_is_no_answer(gid):
    """A gid other than the requested one is an error that names it."""
    error = read({"data": {"gid": gid}})
    assert isinstance(error, BodyError)
    assert f"Job {GID}: the answer is about another job" in str(error)
    assert str(gid) in str(error)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_answers_in_any_encoding_of_json(encoding):
    """Proxies may recode; the first bytes of JSON show how."""
    body = f'{{"data": {{"gid": "{GID}", "name": "Caf\u00e9"}}}}'.encode(encoding)
    assert read(body) == {"gid": GID, "name": "Caf\u00e9"}


@pytest.mark.parametrize("gid", [GID, int(GID), None])
@pytest.mark.parametrize("resource_type", ["job", None, "absent"])
def test_the_gid_of_a_record_is_text(gid, resource_type):
    """Even where a gateway made it a JSON number; null is not a different gid."""
    record = {"gid": gid, "resource_type": resource_type, "status": "succeeded"}
    if resource_type == "absent":
        del record["resource_type"]
    if gid is None:
        del record["gid"]
    assert read({"data": record}).get("gid", GID) == GID


@pytest.mark.parametrize(
    "kind", ["project", "Job", "", "task", 5, True, ["job"], {"job": 1}, TOKEN]
)
def test_an_answer_of_another_resource_type_is_no_job(kind):
    """The row has an error that says what came instead, and no record."""
    error = read({"data": {"gid": GID, "resource_type": kind, "status": "succeeded"}})
    assert isinstance(error, BodyError)
    assert error.kind == "body"
    assert "the answer is not a job: its resource_type is " in error.reason
    assert TOKEN not in str(error)


@pytest.mark.parametrize("status", [200, 201, 203, 206])
def test_any_success_is_read(status):
    """A proxy may have changed the status code."""
    assert read({"data": {"gid": GID}}, status) == {"gid": GID}
    assert read(b"", status).kind == "body"
    assert read(b"", status).status == status


NUMBERS = {
    "118446744073709551617": "118446744073709551617",
    "-9223372036854775809": "-9223372036854775809",
    "18446744073709551615": 18446744073709551615,
    "-9223372036854775808": -9223372036854775808,
    "9007199254740993": 9007199254740993,
    "0.12345678901234567890": "0.12345678901234567890",
    "1234567890123456.5": "1234567890123456.5",
    "123456789012345678.5": "123456789012345678.5",
    "0.1000000000000000000": 0.1,
    "5.20": 5.2,
    "1e400": "1e400",
    "-1E+999": "-1E+999",
    "1e99999999999999999999": "1e99999999999999999999",
    "1e3": 1000.0,
    "1" * 5000: "1" * 5000,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
}


@pytest.mark.parametrize("text", NUMBERS, ids=lambda text: text[:24])
@pytest.mark.parametrize("form", ['{{"gid": {}}}', '{{"x":[ 1,{}]}}', r'[{{"\ud83d": {}}}]'])
def test_numbers_keep_every_digit(text, form):
    """What Python would round, or JSON does not know, arrives as text."""
    body = b'{"data": {"gid": "%s", "new_task": %s}}' % (GID.encode(), form.format(text).encode())
    value = read(body)["new_task"]
    while isinstance(value, dict | list):
        value = list(value.values())[-1] if isinstance(value, dict) else value[-1]
    expected = NUMBERS[text]
    if text == "1234567890123456.5":
        expected = 1234567890123456.5
    assert (type(value), value) == (type(expected), expected)


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False), st.booleans())
def test_any_number_keeps_its_value(number, escaped):
    """As a number or as its text, with the fast and the slow parser."""
    more = r', "name": "a\ud83d"' if escaped else ""
    body = f'{{"data": {{"gid": "{GID}", "x": {{"y": {number}}}{more}}}}}'
    assert Decimal(str(read(body.encode())["x"]["y"])) == Decimal(number)


@pytest.mark.parametrize(
    "body",
    [
        *({"data": []}, {"data": None}, {"data": "x"}, {"data": [{"gid": GID}]}),
        *([], None, 1, "data", {}, {"gid": GID}, {"errors": []}, True, {"data": {}}),
        *(b"", b" ", b"\xff\xfe", b'{"data": {"gid": ', b"<html></html>", b"\x00", b"NaN"),
        *(b'{"data": NaN}', b'{"data": 1e400}', b"[" * 100_000, b'{"a":' * 100_000),
    ],
)
def test_a_body_that_is_not_a_job_is_an_error_that_quotes_it(body):
    """Other JSON, and text that is not JSON, is a BodyError that says where to look."""
    error = read(body)
    assert isinstance(error, BodyError)
    assert (error.kind, error.status, error.gid) == ("body", 200, GID)
    assert "not the JSON of a job" in str(error)
    assert "Is base_url Asana's, and is there a proxy in between?" in str(error)
    assert len(str(error)) < 500


def test_an_empty_body_is_called_empty():
    """The error says so and names the content type."""
    assert "an empty body" in str(read(b""))
    assert "'<p>Hi</p>' (text/html)" in str(
        read(b"<p>Hi</p>", headers={"Content-Type": "text/html"})
    )
    assert "(no content type)" in str(read(b"x", headers={}))


def test_a_body_beyond_the_cap_is_not_parsed():
    """One byte more than 16 MiB is refused, even if it is JSON."""
    body = json.dumps({"data": {"gid": GID}}).encode()
    assert read(body + b" " * (MAX_BODY - len(body))) == {"gid": GID}
    error = read(body + b" " * (MAX_BODY + 1 - len(body)))
    assert isinstance(error, BodyError)
    assert "exceeds 16,777,216 bytes" in str(error)


pieces = st.lists(
    st.sampled_from(
        ["\ud83d", "\ude00", "😀", "\\", "u", "ud83d", "ude00", "\\ud83d", '"', "é", "x"]
    )
)


@given(pieces.map("".join))
def test_half_an_emoji_does_not_cost_the_row(name):
    """A lone surrogate becomes U+FFFD; everything else is unchanged."""
    whole = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    body = json.dumps({"data": {"gid": GID, "name": name, name: [name, 12345678901234567]}})
    expected = {"gid": GID, "name": whole, whole: [whole, 12345678901234567]}
    assert read(body.encode()) == expected


@given(st.binary(max_size=300), st.sampled_from([200, 400, 404, 500, 503]))
def test_any_bytes_are_an_answer_or_an_error(body, status):
    """Any bytes give a record or a RequestError."""
    result = read(body, status)
    assert isinstance(result, RequestError)
    assert pickle.loads(pickle.dumps(result)).args == result.args


@pytest.mark.parametrize(
    ("status", "title", "step"),
    [
        (400, "400 Bad Request", "Check the gid and the field names."),
        (401, "401 Unauthorized", "Create a new token at https://app.asana.com/0/my-apps"),
        (402, "402 Payment Required", "This needs a paid plan."),
        (403, "403 Forbidden", "Only the creator of a job can read it"),
        (404, "404 Not Found", "it is not yours"),
        (412, "412 Precondition Failed", ""),
        (429, "429 Too Many Requests", "read again later"),
        (451, "451 Unavailable For Legal Reasons", ""),
        (500, "500 Internal Server Error", "support finds the incident by its phrase"),
        (503, "503 Service Unavailable", ""),
        (599, "599", ""),
    ],
)
def test_the_message_of_a_status_error(status, title, step):
    """The gid, the status, Asana's own words, what to do next, and its help."""
    help_text = "read https://developers.asana.com/docs/errors"
    error = read(envelope("So it is.", help=help_text), status)
    assert str(error).startswith(f"Job {GID}: {title}: So it is. ")
    assert step in str(error)
    assert str(error).endswith(f"Asana's help: {help_text}")
    assert (error.kind, error.status, error.gid) == ("http", status, GID)
    assert (error.reason, error.help, error.phrase) == ("So it is.", help_text, None)
    assert type(error) is (AuthenticationError if status == 401 else StatusError)


def test_all_errors_of_an_answer_are_shown():
    """Also in the row: each different one once, at most five, and how many more."""
    first, second = "One: no access to the project.", "Two: custom fields are premium"
    error = read({"errors": [{"message": text} for text in (first, second, first)]}, 403)
    assert error.reason == "One: no access to the project; Two: custom fields are premium"
    assert error.reason in str(error)
    many = {"errors": [{"message": f"no. {number}", "help": "h"} for number in range(9)]}
    error = read(many, 400)
    assert error.reason == "no. 0; no. 1; no. 2; no. 3; no. 4 (and 4 more)"
    assert error.help == "h"
    mixed = read({"errors": [None, {"phrase": "a b"}, {"message": 5}, {"message": "m"}]}, 500)
    assert (mixed.reason, mixed.phrase) == ("m", "a b")


@pytest.mark.parametrize("where", ["message", "help", "phrase"])
def test_errors_without_end_are_cut(where):
    """Ten thousand long messages become one short line."""
    error = read({"errors": [{where: f"{n}" * 500} for n in range(10_000)]}, 400)
    assert len(str(error)) < 1200


@pytest.mark.parametrize("status", [401, 403])
def test_asanas_words_about_bearer_tokens_stay_whole(status):
    """They are what people search for."""
    text = "The bearer token has expired. Please use the refresh token for a new bearer token"
    assert text in str(read(envelope(text), status))


def test_a_401_names_where_the_token_came_from():
    """So that users with several tokens know which one was rejected."""
    error = read(envelope("Not Authorized"), 401, token=Token(TOKEN, "the keyring"))
    assert "The token came from the keyring." in str(error)


def test_a_500_tells_its_phrase():
    """Asana's support asks for it."""
    error = read(envelope("Server Error", phrase="6 sad squid snuggle softly"), 500)
    assert error.phrase == "6 sad squid snuggle softly"
    assert "Phrase: 6 sad squid snuggle softly." in str(error)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>Bad Gateway</html>", [], {}, {"errors": None}, {"errors": []}),
        *(
            {"errors": ["x"]},
            {"errors": {"message": "x"}},
            envelope(None),
            envelope(""),
            envelope(5),
        ),
    ],
)
def test_an_error_without_a_message(body):
    """The body is quoted, and the status is still reported."""
    error = read(body, 502)
    assert f"Job {GID}: 502 Bad Gateway: without a message from Asana: " in str(error)
    assert (error.help, error.phrase) == (None, None)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_says_that_it_is_not_followed(status):
    """The token stays where it was sent; the message suggests checking base_url or the proxy."""
    assert "a redirect, which is not followed; check base_url" in str(read(b"", status))


@pytest.mark.parametrize(
    ("timed_out", "kind", "name"),
    [(True, RequestTimeoutError, "timeout"), (False, NetworkError, "network")],
)
def test_no_answer(timed_out, kind, name):
    """The error gives the reason and says that a refresh requests only the rest."""
    error = read_job(ConnectionFailure("no luck", timed_out=timed_out), GID, SECRET)
    assert type(error) is kind
    assert (error.kind, error.status, error.reason) == (name, None, "no luck")
    assert str(error).startswith(f"Job {GID}: no luck. ")
    assert "refresh()" in str(error)


opaque = Token("Opaque/token'with\"all&kinds<of>signs", "a test")
echoes = {
    "as it is": lambda text: text,
    "as JSON": lambda text: json.dumps(text)[1:-1],
    "as JSON with slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
}


@pytest.mark.parametrize("token", [SECRET, opaque], ids=["pat", "opaque"])
@pytest.mark.parametrize("echo", echoes.values(), ids=echoes)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 500, 503])
def test_an_echoed_token_is_not_shown(token, echo, status):
    """A server that repeats the token, anywhere, whole or in part, gets it into no error."""
    for length in (0, 110, 1990, 3990, 19_990):
        _echo_after(length, token, echo, status)


def _echo_after(length, token, echo, status):
    secret = token.header.encode().decode().removeprefix("Bearer ")
    text = " " * length + echo(secret) + " " * 20_000
    for form in (
        "{}",
        "<h1>{}</h1>",
        '{{"errors": [{{"message": "{0}", "help": "{0}", "phrase": "{0}"}}]}}',
        '{{"data": ["{}"]}}',
        '{{"data": {{"gid": "{}"}}}}',
        f'{{{{"data": ["https://x/y?X-Amz-Signature={SIGNATURE}&{{}}"]}}}}',
    ):
        error = read(form.format(text).encode(), status, {"Content-Type": text}, token)
        said = f"{error} {error!r} {vars(error)!r}"
        assert secret not in said
        assert echo(secret) not in said
        assert secret[:12] not in said
        assert SIGNATURE not in said
