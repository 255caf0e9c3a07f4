"""Where a token may go, and which addresses lead to this machine."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asana_jobs_pd._http.addresses import check_base_url, is_loopback
from asana_jobs_pd._http.signed_urls import leads_to_this_machine
from asana_jobs_pd.errors import InvalidOptionError


@pytest.mark.parametrize(
    ("base_url", "checked"),
    [
        ("https://app.asana.com/api/1.0", "https://app.asana.com/api/1.0"),
        ("https://app.asana.com/api/1.0/", "https://app.asana.com/api/1.0"),
        ("https://proxy.example:8443", "https://proxy.example:8443"),
        ("HTTPS://App.Asana.com/api", "https://App.Asana.com/api"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("http://127.0.0.1:8000/api/1.0", "http://127.0.0.1:8000/api/1.0"),
        ("http://127.255.0.7", "http://127.255.0.7"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_addresses_that_a_token_may_be_sent_to(base_url, checked):
    """To https anywhere, and to http on this machine."""
    assert check_base_url(base_url) == checked


@pytest.mark.parametrize(
    "base_url",
    [
        *("http://app.asana.com", "http://127.0.0.1.evil.example", "http://localhost.evil.example"),
        *("http://evil.example/127.0.0.1", "http://localhost@evil.example", "http://[::2]"),
        *("http://[::ffff:127.0.0.1]", "http://127.1", "http://localhost."),
        *("http://localhost:80@evil.example", "http://evil.example\\@127.0.0.1", "http://10.0.0.1"),
        *("http://evil.example#@127.0.0.1", "http://evil.example?@127.0.0.1", "http://0.0.0.0"),
        *("http://127.0.0.1\\.evil.example", "http://2130706433", "http://1270.0.0.1", "http://"),
        *("ftp://127.0.0.1", "file:///etc/passwd", "app.asana.com", "//app.asana.com", "https:"),
        *(
            "https://",
            "https:///api",
            "https://:443",
            "https://x:99999",
            "https://x:y",
            "https://[",
        ),
        *("https://me@app.asana.com", "https://me:pw@app.asana.com", "https://@app.asana.com"),
        *("https://app.asana.com?x=1", "https://app.asana.com#x", "https://app.asana.com/?"),
        *("https://app.asana.com#", "https://app.asana.com/a b", "https://app.asana.com\n"),
        *(" https://app.asana.com", "https://app.asana.com\r\nX: y", "https://app.asana.com/\t"),
        *("https://аsana.com", "https://app.asana.com/\u202e", "", " "),
        *(None, 1, 1.5, b"https://app.asana.com", ["https://app.asana.com"], object),
    ],
    ids=repr,
)
def test_addresses_that_no_token_is_sent_to(base_url):
    """Other addresses, and malformed base URLs, are refused before any request."""
    with pytest.raises(InvalidOptionError, match="base_url=") as caught:
        check_base_url(base_url)
    assert "pw@" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@example("0/@")
@given(st.text() | st.text("htps:/@.#?127[]loca\\ex"))
def test_any_text_is_a_safe_base_url_or_an_error(text):
    """Nonsense raises nothing but InvalidOptionError, and what passes is https or loopback."""
    for base_url in (text, f"http://{text}", f"https://{text}"):
        try:
            checked = check_base_url(base_url)
        except InvalidOptionError:
            continue
        assert checked.startswith("https://") or is_loopback(checked)
        assert not set(checked) & set("@?# \n")
        assert check_base_url(checked) == checked


LOCAL_HOSTS = [
    *("localhost", "LocalHost", "localhost.", "localhost..", "a.localhost", "a.b.localhost."),
    *("localhost.localdomain", "localhost4", "localhost6.localdomain6", "ip6-localhost"),
    *("ip6-loopback", "a.localdomain", "%6cocalhost", "localhost%2e"),
    *("127.0.0.1", "127.0.0.1.", "127.255.255.254", "127.1", "127.0.1", "127.65793"),
    *("0.0.0.0", "0", "0.0", "0x0", "00"),
    *("2130706433", "0x7f000001", "0X7F.1", "0x7f.0x0.0x0.0x1", "017700000001", "0177.0.0.1"),
    *("0177.0x0.1", "127.00.00.01", "%31%32%37.0.0.1", "127%2e0.0.1"),
    *(
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[0000::0001]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7f00:1]",
    ),
    *("[::ffff:127.0.0.1]", "169.254.169.254", "0xa9fea9fe", "[fe80::1]", "[::ffff:169.254.1.1]"),
    *("[::ffff:0.0.0.0]", "[::1%25lo]", "[::1%lo]"),
]


@pytest.mark.parametrize("host", LOCAL_HOSTS)
@pytest.mark.parametrize("form", ["https://{}", "https://{}:8443/f?a=b", "http://{}/"])
def test_all_spellings_of_this_machine(host, form):
    """Names with dots, short, decimal, hexadecimal and octal IPv4, IPv4 mapped to IPv6, zones."""
    assert leads_to_this_machine(form.format(host))


@pytest.mark.parametrize(
    "host",
    [
        *("s3.amazonaws.com", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example"),
        *("127.example", "10.0.0.1", "128.0.0.1", "126.255.255.255", "1.0.0.127", "2130706432.x"),
        *(
            "0x80000001",
            "2147483649",
            "[::2.3.4.5]",
            "[2001:db8::127.0.0.1]",
            "[::ffff:10.0.0.1]",
        ),
        *("127.0.0.0.1", "a", "1.2.3.4.5.6", "0xyz", "example.0x7f", "localhosts", "ip6-localnet"),
    ],
)
def test_other_machines(host):
    """Names and addresses that only look like this machine's."""
    assert not leads_to_this_machine(f"https://{host}/f")


@given(st.integers(0, 2**32 - 1) | st.integers(127 << 24, (128 << 24) - 1), st.data())
def test_any_spelling_of_an_address_is_known(number, data):
    """In every form that C libraries accept."""
    pieces = data.draw(st.integers(1, 4))
    parts = [number >> 8 * (3 - place) & 255 for place in range(pieces - 1)]
    parts.append(number & (256 ** (5 - pieces) - 1))
    texts = [data.draw(st.sampled_from([str, hex, "0{:o}".format]))(part) for part in parts]
    local = number == 0 or number >> 24 == 127 or number >> 16 == 169 * 256 + 254
    assert leads_to_this_machine("https://" + ".".join(texts)) == local
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | number)
    assert leads_to_this_machine(f"https://[{mapped}]/") == local


@given(st.text())
def test_any_text_is_answered(text):
    """Text that is not a URL raises nothing."""
    for url in (text, f"https://{text}", f"https://[{text}]"):
        assert leads_to_this_machine(url) in (True, False)
        assert not is_loopback(url) or leads_to_this_machine(url)
