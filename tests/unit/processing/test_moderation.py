"""The known-bad list: what it matches, what it does not match, and that an unreadable list is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.moderation import DISTANCE_BITS, MAX_DISTANCE_BITS, KnownBad, KnownBadError, is_known_bad, parse

SHA256, OTHER_SHA256 = "ab" * 32, "cd" * 32
HASHES = st.integers(0, (1 << 64) - 1)


def flipped(value: int, bits: set[int]) -> str:
    for bit in bits:
        value ^= 1 << bit
    return f"{value:016x}"


def test_an_empty_list_matches_nothing():
    """Nor does a list of comments and blank lines."""
    assert parse("") == parse("# nothing yet\n\n   \n") == KnownBad()
    assert not is_known_bad(parse(""), SHA256, "0" * 16)


def test_a_sha256_entry_matches_exactly_that_file():
    """Whatever its perceptual hash."""
    known = parse(f"sha256 {SHA256}  # case 17\n")
    assert is_known_bad(known, SHA256, "0" * 16)
    assert not is_known_bad(known, OTHER_SHA256, "0" * 16)


@given(HASHES, st.sets(st.integers(0, 63)), st.integers(0, MAX_DISTANCE_BITS))
def test_a_perceptual_hash_matches_up_to_the_distance_and_not_beyond(value, bits, distance):
    """The third word of a line is the number of bits that may differ."""
    known = parse(f"phash {value:016x} {distance}")
    assert is_known_bad(known, SHA256, flipped(value, bits)) == (len(bits) <= distance)


@given(HASHES, st.sets(st.integers(0, 63)))
def test_the_distance_is_optional(value, bits):
    """A line without one has the default."""
    assert is_known_bad(parse(f"phash {value:016x}"), SHA256, flipped(value, bits)) == (len(bits) <= DISTANCE_BITS)


@given(st.lists(HASHES, max_size=5), HASHES)
def test_adding_an_entry_never_removes_a_match(values, one_more):
    """A photo that the shorter list matches is matched by the longer one, too."""
    lines = [f"phash {value:016x}" for value in values]
    for value in values:
        assert is_known_bad(parse("\n".join([*lines, f"phash {one_more:016x}"])), SHA256, f"{value:016x}")


@pytest.mark.parametrize(
    "line",
    [
        "sha256",
        "sha256 abcd",
        f"sha256 {SHA256.upper()}",
        f"sha256 {SHA256} 4",
        f"md5 {SHA256}",
        SHA256,
        "phash 12345",
        "phash zzzzzzzzzzzzzzzz",
        "phash 0123456789abcdef far",
        "phash 0123456789abcdef -1",
        f"phash 0123456789abcdef {MAX_DISTANCE_BITS + 1}",
        "phash 0123456789abcdef 4 5",
        "{}",
    ],
)
def test_one_unreadable_line_makes_the_list_unreadable(line):
    """And the error names the line."""
    with pytest.raises(KnownBadError, match="line 2 "):
        parse(f"sha256 {SHA256}\n{line}\nphash 0123456789abcdef\n")


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_raises_known_bad_error(text):
    """No text in the setting causes any other error."""
    try:
        parse(text)
    except KnownBadError as error:
        assert "line" in str(error)
