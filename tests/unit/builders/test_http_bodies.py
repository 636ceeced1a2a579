"""Bodies are found in a stream of messages, however it comes in pieces."""

import itertools
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders.http_bodies import BodyTracker

ASKED = {
    b"PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nfirst": b"first",
    b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n": b"",
    b"POST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nsec\r\n3\r\nond\r\n0\r\nA: b\r\n\r\n": b"second",
    b"HEAD /d HTTP/1.1\r\n\r\n": b"",
    b"DELETE /e HTTP/1.1\r\ncontent-length:0\r\n\r\n": b"",
}
ANSWERED = {
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\r\n\r\n": b"\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n": b"",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n": b"0123456789",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n": b"",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end": b"until the end",
}


def pieces(stream, cuts):
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(places)]


def found(tracker, fed):
    """The bodies of all messages that have one, in order; asserts that their bytes are counted from 0."""
    bodies = {}
    for piece in fed:
        for span in tracker.feed(piece):
            assert len(bodies.get(span.message, b"")) == span.offset
            bodies[span.message] = bodies.get(span.message, b"") + piece[span.start : span.end]
    return list(bodies.values())


def of(messages):
    return [body for body in messages.values() if body]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_bodies_are_found_in_pieces_of_any_size(size):
    """Those of responses too, which depend on what was asked: HEAD has none, whatever its head says."""
    methods, asked, answered = deque(), b"".join(ASKED), b"".join(ANSWERED)
    cut = [range(0, len(stream), size) for stream in (asked, answered)]
    assert found(BodyTracker(methods), pieces(asked, cut[0])) == of(ASKED)
    assert found(BodyTracker(methods), pieces(answered, cut[1])) == of(ANSWERED)


@given(st.lists(st.integers(0, 10_000), max_size=20), st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_bodies_are_found_wherever_the_stream_is_cut(cuts, bodies):
    """Whatever is in them."""
    stream = b"".join(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies)
    assert found(BodyTracker(deque()), pieces(stream, cuts)) == bodies


@pytest.mark.parametrize("stream", [b"SSH-2.0-x\r\n\r\nbytes", b"x" * 200_000, b"CONNECT a:1 HTTP/1.1\r\n\r\nbytes"])
def test_what_is_not_http_has_no_bodies(stream):
    """Nor does what comes after it."""
    tracker = BodyTracker(deque())
    assert found(tracker, [stream, *ASKED]) == []
