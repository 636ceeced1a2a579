"""Heads of HTTP/1.1, written and read, beside what the standard library makes of them."""

import http.client
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.http_heads import END, InvalidAnswer, parse_answer_head, parse_chunk_size, request_head

NAMES = st.from_regex("[a-z][a-z0-9-]{0,15}", fullmatch=True).filter(
    lambda name: name not in ("content-length", "transfer-encoding", "connection", "host", "accept-encoding")
)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=5)


def parsed(lines: str, method: str = "GET"):
    return parse_answer_head(method, lines.replace("\n", "\r\n").encode("latin-1"))


def parsed_by_python(lines: bytes) -> dict[str, str]:
    """Header fields, each by its name in lower case."""
    read = http.client.parse_headers(io.BytesIO(lines + END))
    return {name.lower(): read[name].strip(" ") for name in read}


@given(HEADERS, st.from_regex("/[!-~]{0,50}", fullmatch=True))
def test_a_request_is_what_another_parser_reads(headers, target):
    head = request_head("GET", target, "store:7070", headers)
    first, _, rest = head.removesuffix(END).partition(b"\r\n")
    assert first.decode() == f"GET {target} HTTP/1.1"
    assert parsed_by_python(rest) == {
        "host": "store:7070",
        "accept-encoding": "identity",
        **{name: value.strip(" ") for name, value in headers.items()},
    }


@given(
    st.text(st.characters(max_codepoint=300), max_size=12),
    st.sampled_from(["/a?{}", "{}"]),
    st.sampled_from(["target", "name", "value"]),
)
def test_nothing_in_a_request_begins_another_line(text, form, where):
    """The destination of a copy names its target and headers."""
    hostile = form.format(text)
    headers = {hostile if where == "name" else "A": hostile if where == "value" else "b"}
    try:
        head = request_head("PUT", hostile if where == "target" else "/", "store", headers)
    except ValueError:
        return
    assert head.count(b"\n") == head.count(b"\r") == 5
    assert head.endswith(END)


@given(HEADERS, st.integers(200, 599), st.sampled_from(["GET", "HEAD"]), st.integers(0, 10**12))
def test_an_answer_is_what_another_parser_reads(headers, status, method, length):
    lines = "\r\n".join(
        f"{name}: {value}" for name, value in {**headers, "Content-Length": str(length)}.items()
    ).encode()
    answer = parse_answer_head(method, f"HTTP/1.1 {status} \r\n".encode() + lines)
    has_body = method != "HEAD" and status not in (204, 304)
    assert (answer.status, answer.length, answer.is_chunked) == (status, length if has_body else 0, False)
    assert answer.headers == parsed_by_python(lines)


@given(st.binary(max_size=200))
def test_no_bytes_are_anything_but_an_answer_or_an_error(head):
    for data in (head, b"HTTP/1.1 200 OK\r\n" + head):
        try:
            answer = parse_answer_head("GET", data)
        except InvalidAnswer:
            continue
        assert answer.length is None or answer.length >= 0


@pytest.mark.parametrize(
    "lines",
    [
        "HTTP/1.1 200 OK\nContent-Length: 3\nContent-Length: 4",
        "HTTP/1.1 200 OK\nContent-Length: 3\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\nContent-Length: +3",
        "HTTP/1.1 200 OK\nContent-Length: ",
        "HTTP/1.1 200 OK\nContent-Length : 3",
        "HTTP/1.1 200 OK\nA: b\n folded",
        "HTTP/1.1 200 OK\nA",
        "HTTP/1.1 200 OK\nA: b\x00",
        "HTTP/1.1 099 OK",
        "HTTP/2 200 OK",
        "200 OK",
        "",
    ],
)
def test_what_has_no_single_meaning_is_an_error(lines):
    """RFC 9112, sections 5 and 6.3: who reads it otherwise takes the rest of it for another answer."""
    with pytest.raises(InvalidAnswer):
        parsed(lines)


def test_a_length_that_is_repeated_is_that_length():
    assert parsed("HTTP/1.1 200 OK\nContent-Length: 3\nContent-Length: 3").length == 3


@pytest.mark.parametrize(
    ("lines", "keeps"),
    [
        ("HTTP/1.1 200 OK\nContent-Length: 3", True),
        ("HTTP/1.1 200\nContent-Length: 3", True),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: Chunked", True),
        ("HTTP/1.1 200 OK\nContent-Length: 3\nConnection: Close", False),
        ("HTTP/1.0 200 OK\nContent-Length: 3", False),
        ("HTTP/1.1 200 OK", False),
        ("HTTP/1.1 204 No Content", True),
    ],
)
def test_a_connection_is_kept_if_the_server_keeps_it_and_the_answer_has_an_end(lines, keeps):
    assert parsed(lines).keeps is keeps


def test_the_size_of_a_chunk_is_hexadecimal():
    assert [parse_chunk_size(line) for line in (b"0", b"1F ; a=b", b"0a")] == [0, 31, 10]
    for line in (b"", b"-1", b"0x1", b"1 2", b"g", b"f" * 16):
        with pytest.raises(InvalidAnswer):
            parse_chunk_size(line)
