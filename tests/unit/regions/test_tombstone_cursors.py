"""Cursors from outside are read strictly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import BadRequest
from regions.tombstone_cursors import MAX_CHAINS, MAX_POSITION, parse, to_document

CURSORS = st.dictionaries(st.integers(0, MAX_CHAINS - 1), st.integers(0, MAX_POSITION))


@given(CURSORS)
def test_cursors_are_read_as_they_were_written(cursors):
    """As JSON."""
    assert parse(json.loads(json.dumps(to_document(cursors)))) == cursors


def test_the_cursors_of_all_chains_fit_into_the_body_of_a_request():
    """Of at most 64 KiB, which edges and origins read."""
    document = to_document(dict.fromkeys(range(MAX_CHAINS), MAX_POSITION))
    assert len(json.dumps({"after": document})) < 40_000


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "{}",
        7,
        *({chain: 1} for chain in ("-1", "1024", "01", "+1", "1_0", " 1", "1\n", "٣", "", "x", "1.0", "9" * 5000)),
        *({"0": position} for position in (-1, MAX_POSITION + 1, True, None, 1.0, "1", [], {})),
        {"0": 1, "x": 1},
    ],
)
def test_anything_else_is_a_bad_request(document):
    """Nothing of it is used."""
    with pytest.raises(BadRequest):
        parse(document)
