"""The known-bad list: what it matches, what it does not match, and that an unreadable list is an error."""

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.moderation import (
    DISTANCE_BITS,
    MAX_DISTANCE_BITS,
    MAX_ENTRIES,
    KnownBad,
    KnownBadError,
    is_known_bad,
    parse,
)

SHA256, OTHER_SHA256 = "ab" * 32, "cd" * 32
PHASH = "0123456789abcdef" * 4
HASHES = st.integers(0, (1 << 256) - 1)
BITS = st.sets(st.integers(0, 255))


def flipped(value: int, bits: set[int]) -> str:
    for bit in bits:
        value ^= 1 << bit
    return f"{value:064x}"


def test_an_empty_list_matches_nothing():
    """Nor does a list of comments and blank lines."""
    assert parse("") == parse("# nothing yet\n\n   \n") == KnownBad()
    assert not is_known_bad(parse(""), SHA256, "0" * 64)


def test_a_sha256_entry_matches_exactly_that_file():
    """Whatever its perceptual hash."""
    known = parse(f"sha256 {SHA256}  # case 17\n")
    assert is_known_bad(known, SHA256, "0" * 64)
    assert not is_known_bad(known, OTHER_SHA256, "0" * 64)


def test_a_picture_without_a_perceptual_hash_is_known_by_its_bytes_only():
    """No entry for what looks like something matches it."""
    known = parse(f"sha256 {SHA256}\nphash {'0' * 64} {MAX_DISTANCE_BITS}")
    assert is_known_bad(known, SHA256, None)
    assert not is_known_bad(known, OTHER_SHA256, None)


@given(HASHES, st.sets(st.integers(0, 255), max_size=2 * MAX_DISTANCE_BITS), st.integers(0, MAX_DISTANCE_BITS))
def test_a_perceptual_hash_matches_up_to_the_distance_and_not_beyond(value, bits, distance):
    """The third word of a line is the number of bits that may differ."""
    known = parse(f"phash {value:064x} {distance}")
    assert is_known_bad(known, SHA256, flipped(value, bits)) == (len(bits) <= distance)


@given(HASHES, st.sets(st.integers(0, 255), max_size=2 * DISTANCE_BITS))
def test_the_distance_is_optional(value, bits):
    """A line without one has the default."""
    assert is_known_bad(parse(f"phash {value:064x}"), SHA256, flipped(value, bits)) == (len(bits) <= DISTANCE_BITS)


@pytest.mark.parametrize("distance", [0, 1, MAX_DISTANCE_BITS])
def test_the_opposite_picture_does_not_match(distance):
    """All 256 bits differ, which does not fit into a byte."""
    assert not is_known_bad(parse(f"phash {'0' * 64} {distance}"), SHA256, "f" * 64)


@given(st.lists(HASHES, max_size=5), HASHES)
def test_adding_an_entry_never_removes_a_match(values, one_more):
    """A photo that the shorter list matches is matched by the longer one, too."""
    lines = [f"phash {value:064x}" for value in values]
    for value in values:
        assert is_known_bad(parse("\n".join([*lines, f"phash {one_more:064x}"])), SHA256, f"{value:064x}")


@given(st.lists(st.tuples(HASHES, st.integers(0, MAX_DISTANCE_BITS)), max_size=5), HASHES, BITS)
def test_each_entry_has_its_own_distance(entries, value, bits):
    """The list matches if one of its entries does."""
    looks_like = flipped(value, bits)
    known = parse("\n".join(f"phash {listed:064x} {distance}" for listed, distance in entries))
    one_matches = any((listed ^ int(looks_like, 16)).bit_count() <= distance for listed, distance in entries)
    assert is_known_bad(known, SHA256, looks_like) == one_matches


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
        f"phash {'z' * 64}",
        f"phash {PHASH} far",
        f"phash {PHASH} -1",
        f"phash {PHASH} {MAX_DISTANCE_BITS + 1}",
        f"phash {PHASH} 4 5",
        "{}",
    ],
)
def test_one_unreadable_line_makes_the_list_unreadable(line):
    """And the error names the line."""
    with pytest.raises(KnownBadError, match=rf"line 2 of the known-bad list is not .* at most {MAX_DISTANCE_BITS}"):
        parse(f"sha256 {SHA256}\n{line}\nphash {PHASH}\n")


@pytest.mark.parametrize("line", ["phash 0123456789abcdef", "phash 0123456789abcdef 4"])
def test_a_hash_of_an_older_version_is_unreadable_with_advice(line):
    """It can't be compared with those of today, and must be made again from the picture."""
    with pytest.raises(KnownBadError, match=r"line 2 .* 16 digits.*`darkroom fingerprint FILE`"):
        parse(f"\n{line}\n")


def test_a_list_that_is_too_long_is_unreadable():
    """So that neither its reading nor its matching can hold up the photos."""
    lines = [f"phash {number:064x}" for number in range(MAX_ENTRIES + 1)]
    assert len(parse("\n".join(lines[:-1])).distances_bits) == MAX_ENTRIES
    with pytest.raises(KnownBadError, match=f"line {MAX_ENTRIES + 1} "):
        parse("\n".join(lines))


def test_a_long_list_pickles_small():
    """33 bytes an entry, because it goes to a worker with each photo."""
    known = parse("\n".join(f"phash {random.Random(number).randbytes(32).hex()}" for number in range(1000)))
    pickled = pickle.dumps(known)
    assert pickle.loads(pickled) == known
    assert len(pickled) < 34_000


def test_a_list_that_has_not_changed_is_not_read_again():
    """It is the same for almost every photo."""
    text = f"phash {PHASH}"
    assert parse(text) is parse("".join(list(text)))


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_raises_known_bad_error(text):
    """No text in the setting causes any other error."""
    try:
        parse(text)
    except KnownBadError as error:
        assert "line" in str(error)
