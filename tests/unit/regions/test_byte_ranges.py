"""Which bytes a Range header means (RFC 9110 section 14). The edge's decisions test the conditions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import byte_ranges
from regions.errors import RangeNotSatisfiable

ETAG = '"e"'


def requested(header: str, size_bytes: int) -> bytes | None:
    """The bytes that the header selects from an object in which each byte is its own position."""
    span = byte_ranges.span(header, None, ETAG, size_bytes)
    return None if span is None else bytes(range(span.start, span.stop))


@given(st.integers(1, 50), st.integers(0, 60), st.none() | st.integers(0, 60))
def test_a_range_selects_its_bytes(size_bytes, first, last):
    """Like a Python slice, but with its last byte included. An empty range is an error."""
    data = bytes(range(size_bytes))
    wanted = data[first : size_bytes if last is None else last + 1]
    header = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert requested(header, size_bytes) is None
    elif wanted:
        assert requested(header, size_bytes) == wanted
    else:
        with pytest.raises(RangeNotSatisfiable):
            requested(header, size_bytes)


@given(st.integers(1, 50), st.integers(1, 60))
def test_a_suffix_selects_the_last_bytes(size_bytes, length):
    """All of them, if it is longer than the object."""
    assert requested(f"bytes=-{length}", size_bytes) == bytes(range(size_bytes))[-length:]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=-",
        "bytes=1-2,4-5",
        "lines=1-2",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=-1-2",
        "bytes=0-1\xa0",
        "\x85bytes=0-1",
    ],
)
def test_anything_but_a_single_range_is_ignored(header):
    """Then the whole object is sent."""
    assert requested(header, 10) is None


@given(st.text(max_size=40), st.integers(0, 100))
def test_any_text_is_parsed_safely(text, size_bytes):
    """The result is a range within the object, None, or RangeNotSatisfiable."""
    try:
        span = byte_ranges.span(f"bytes={text}", None, ETAG, size_bytes)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span.start < span.stop <= size_bytes


def test_an_empty_if_range_differs_from_a_missing_one():
    """An empty If-Range equals no ETag. None means that there is no If-Range."""
    assert byte_ranges.span("bytes=0-1", "", ETAG, 10) is None
    assert byte_ranges.span("bytes=0-1", None, ETAG, 10) == byte_ranges.Span(0, 2, 10)
