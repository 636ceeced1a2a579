"""The known-bad list: what it matches, what it does not, and that a list that can't be read is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.moderation import DISTANCE_BITS, MAX_DISTANCE_BITS, KnownBad, KnownBadError, is_known_bad, parse

SUM, OTHER_SUM = "ab" * 32, "cd" * 32
HASHES = st.integers(0, (1 << 64) - 1)


def flipped(value: int, bits: set[int]) -> str:
    for bit in bits:
        value ^= 1 << bit
    return f"{value:016x}"


def test_an_empty_list_knows_nothing():
    """Nor does one of comments and blank lines."""
    assert parse("") == parse("# nothing yet\n\n   \n") == KnownBad()
    assert not is_known_bad(parse(""), SUM, "0" * 16)


def test_a_file_is_known_by_its_bytes():
    """Exactly that file, whatever it looks like."""
    known = parse(f"sha256 {SUM}  # case 17\n")
    assert is_known_bad(known, SUM, "0" * 16)
    assert not is_known_bad(known, OTHER_SUM, "0" * 16)


@given(HASHES, st.sets(st.integers(0, 63)), st.integers(0, MAX_DISTANCE_BITS))
def test_looks_match_up_to_the_distance_and_not_beyond(value, bits, distance):
    """As many bits may differ as the line says."""
    known = parse(f"phash {value:016x} {distance}")
    assert is_known_bad(known, SUM, flipped(value, bits)) == (len(bits) <= distance)


@given(HASHES, st.sets(st.integers(0, 63)))
def test_without_a_distance_it_is_the_default(value, bits):
    """A line may leave it out."""
    assert is_known_bad(parse(f"phash {value:016x}"), SUM, flipped(value, bits)) == (len(bits) <= DISTANCE_BITS)


@given(st.lists(HASHES, max_size=5), HASHES)
def test_a_longer_list_never_matches_less(values, one_more):
    """Adding an entry lets no photo pass that did not pass before."""
    lines = [f"phash {value:016x}" for value in values]
    for value in values:
        assert is_known_bad(parse("\n".join([*lines, f"phash {one_more:016x}"])), SUM, f"{value:016x}")


@pytest.mark.parametrize(
    "line",
    [
        "sha256",
        "sha256 abcd",
        f"sha256 {SUM.upper()}",
        f"sha256 {SUM} 4",
        f"md5 {SUM}",
        SUM,
        "phash 12345",
        "phash zzzzzzzzzzzzzzzz",
        "phash 0123456789abcdef far",
        "phash 0123456789abcdef -1",
        f"phash 0123456789abcdef {MAX_DISTANCE_BITS + 1}",
        "phash 0123456789abcdef 4 5",
        "{}",
    ],
)
def test_one_bad_line_spoils_the_list(line):
    """And the error says which line it was."""
    with pytest.raises(KnownBadError, match="line 2 "):
        parse(f"sha256 {SUM}\n{line}\nphash 0123456789abcdef\n")


@given(st.text(max_size=200))
def test_any_text_is_a_list_or_an_error(text):
    """Whatever somebody writes into the setting, nothing else happens."""
    try:
        parse(text)
    except KnownBadError as error:
        assert "line" in str(error)
