"""Which bytes of an object a Range header means (RFC 9110 section 14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import RangeNotSatisfiable
from regions.stores.directory.server import requested_range


@given(st.integers(1, 50), st.integers(0, 60), st.none() | st.integers(0, 60))
def test_a_range_means_the_bytes_it_names(size_bytes, first, last):
    """As Python's slices do, its last byte included; none at all is an error."""
    data = bytes(range(size_bytes))
    wanted = data[first : size_bytes if last is None else last + 1]
    header = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert requested_range(header, size_bytes) is None
    elif wanted:
        assert bytes(requested_range(header, size_bytes)) == wanted
    else:
        with pytest.raises(RangeNotSatisfiable):
            requested_range(header, size_bytes)


@given(st.integers(1, 50), st.integers(1, 60))
def test_a_suffix_means_the_last_bytes(size_bytes, length):
    """All of them, where it is longer than the object."""
    assert bytes(requested_range(f"bytes=-{length}", size_bytes)) == bytes(range(size_bytes))[-length:]


@pytest.mark.parametrize(
    "header", [None, "", "bytes", "bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes=5-4", "bytes=-1-2"]
)
def test_what_is_no_single_range_is_ignored(header):
    """The whole is given then."""
    assert requested_range(header, 10) is None


@given(st.text(max_size=40), st.integers(0, 100))
def test_any_text_is_read_without_harm(text, size_bytes):
    """A range within the object, or none, or a refusal."""
    try:
        asked = requested_range(f"bytes={text}", size_bytes)
    except RangeNotSatisfiable:
        return
    assert asked is None or 0 <= asked.start < asked.stop <= size_bytes
