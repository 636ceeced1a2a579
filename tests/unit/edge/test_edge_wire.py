"""Reading and writing HTTP/1.1 heads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import answer_head, body_bytes, parse_head
from regions.errors import BadRequest, HeadTooLarge, LengthRequired, Problem, TooLarge


def head(*fields: str, line: str = "GET /a?b=c HTTP/1.1"):
    return parse_head("\r\n".join([line, "Host: x", *fields]).encode("latin-1"))


def test_a_request_is_taken_apart():
    """Names are lower-cased, values trimmed, repeated fields joined."""
    found = head("Accept:  a ", "ACCEPT: b")
    assert (found.method, found.path, found.query, found.target) == ("GET", "/a", "b=c", "/a?b=c")
    assert found.fields == {"host": "x", "accept": "a, b"}


@pytest.mark.parametrize("target", ["http://host:80/a?b=c", "HTTP://host/a?b=c", "/a?b=c#d"])
def test_every_form_of_a_target_is_the_same_path(target):
    """With scheme and host (RFC 9112 section 3.2.2), or with a fragment that nobody should send."""
    assert head(line=f"GET {target} HTTP/1.1").target == "/a?b=c"


def test_a_host_alone_is_its_root():
    """`http://host` is `/` there."""
    assert head(line="GET http://host HTTP/1.1").path == "/"


@pytest.mark.parametrize(
    ("line", "fields", "keeps"),
    [
        ("GET / HTTP/1.1", [], True),
        ("GET / HTTP/1.1", ["Connection: x, Close"], False),
        ("GET / HTTP/1.0", [], False),
        ("GET / HTTP/1.0", ["Connection: keep-alive"], True),
    ],
)
def test_a_connection_goes_on_as_the_client_says(line, fields, keeps):
    """HTTP/1.1 stays unless told to close, 1.0 the other way round."""
    assert head(*fields, line=line).keeps_alive is keeps


@pytest.mark.parametrize(
    "line",
    ["", "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/2.0", "GET a HTTP/1.1", "G(T / HTTP/1.1", "GET /\x00 HTTP/1.1"],
)
def test_what_is_no_request_line_is_refused(line):
    """400."""
    with pytest.raises(BadRequest):
        head(line=line)


@pytest.mark.parametrize("field", [": x", "a b: c", "a : b", " folded", "a", "a: b\x00", "a: b\nc: d", "host: y"])
def test_what_two_servers_might_read_differently_is_refused(field):
    """Spaces in names, folded lines, bare line feeds, a second host."""
    with pytest.raises(BadRequest):
        head(field)


def test_too_many_fields_are_refused():
    """431."""
    with pytest.raises(HeadTooLarge):
        head(*["a: b"] * 200)


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ("Content-Length: 65537", TooLarge),
        ("Content-Length: x", BadRequest),
        ("Content-Length: +1", BadRequest),
        ("Content-Length: 1, 1", BadRequest),
        ("Content-Length: ²", BadRequest),
        ("Transfer-Encoding: chunked", LengthRequired),
    ],
)
def test_a_body_without_one_plain_length_is_refused(field, error):
    """There is one way to say how long a body is."""
    with pytest.raises(error):
        body_bytes(head(field))


def test_a_body_may_have_64_kib():
    """And none where nothing is said."""
    assert body_bytes(head("Content-Length: 65536")) == 65_536
    assert body_bytes(head()) == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_problem(data):
    """Nothing else is raised."""
    try:
        assert parse_head(data).path.startswith("/")
    except Problem as problem:
        assert problem.status in (400, 431)


@given(st.text(max_size=50), st.text(max_size=50))
def test_no_field_breaks_out_of_its_line(name, value):
    """Whatever an origin sends, it is one line."""
    assert answer_head(200, [(name, value)]).count(b"\n") == 3
