"""Parsing and formatting of HTTP/1.1 heads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.http1 import body_bytes, format_head, parse_head
from regions.errors import BadRequest, HeadTooLarge, LengthRequired, Problem, TooLarge


def head(*headers: str, line: str = "GET /a?b=c HTTP/1.1"):
    return parse_head("\r\n".join([line, "Host: x", *headers]).encode("latin-1"))


def test_a_request_is_parsed():
    """Names are lower-cased, values trimmed, repeated headers joined."""
    found = head("Accept:  a ", "ACCEPT: b")
    assert (found.method, found.path, found.query, found.target) == ("GET", "/a", "b=c", "/a?b=c")
    assert found.headers == {"host": "x", "accept": "a, b"}


@pytest.mark.parametrize("target", ["http://host:80/a?b=c", "HTTP://host/a?b=c", "/a?b=c#d"])
def test_every_form_of_a_target_gives_the_same_path(target):
    """With scheme and host (RFC 9112 section 3.2.2), or with a fragment, which clients should not send."""
    assert head(line=f"GET {target} HTTP/1.1").target == "/a?b=c"


def test_a_target_without_a_path_is_the_root():
    """`http://host` means `/`."""
    assert head(line="GET http://host HTTP/1.1").path == "/"


@pytest.mark.parametrize(
    ("line", "headers", "keeps_alive"),
    [
        ("GET / HTTP/1.1", [], True),
        ("GET / HTTP/1.1", ["Connection: x, Close"], False),
        ("GET / HTTP/1.0", [], False),
        ("GET / HTTP/1.0", ["Connection: keep-alive"], True),
    ],
)
def test_the_client_decides_whether_the_connection_stays_open(line, headers, keeps_alive):
    """By default it stays open in HTTP/1.1 and is closed in HTTP/1.0."""
    assert head(*headers, line=line).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "line",
    ["", "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/2.0", "GET a HTTP/1.1", "G(T / HTTP/1.1", "GET /\x00 HTTP/1.1"],
)
def test_an_invalid_request_line_is_refused(line):
    """400."""
    with pytest.raises(BadRequest):
        head(line=line)


@pytest.mark.parametrize("header", [": x", "a b: c", "a : b", " folded", "a", "a: b\x00", "a: b\nc: d", "host: y"])
def test_a_header_that_two_servers_might_read_differently_is_refused(header):
    """Spaces in names, folded lines, bare line feeds, a second host."""
    with pytest.raises(BadRequest):
        head(header)


def test_too_many_headers_are_refused():
    """431."""
    with pytest.raises(HeadTooLarge):
        head(*["a: b"] * 200)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Content-Length: 65537", TooLarge),
        ("Content-Length: x", BadRequest),
        ("Content-Length: +1", BadRequest),
        ("Content-Length: 1, 1", BadRequest),
        ("Content-Length: ²", BadRequest),
        ("Transfer-Encoding: chunked", LengthRequired),
    ],
)
def test_a_body_without_one_plain_length_is_refused(header, error):
    """A body's length has exactly one valid form."""
    with pytest.raises(error):
        body_bytes(head(header))


def test_a_body_may_have_64_kib():
    """Without a Content-Length it is empty."""
    assert body_bytes(head("Content-Length: 65536")) == 65_536
    assert body_bytes(head()) == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(data):
    """No other error is raised."""
    try:
        assert parse_head(data).path.startswith("/")
    except Problem as problem:
        assert problem.status in (400, 431)


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_header_can_not_start_another_line(name, value):
    """Whatever an origin sends, it stays one line."""
    assert format_head(200, [(name, value)]).count(b"\n") == 3
