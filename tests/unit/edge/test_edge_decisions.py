"""Freshness, ranges, grants between edges, and Cache-Status."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import cache_status, grants
from edge.cache_status import Outcome
from edge.freshness import GRANT_TTL_S, SILENCE_S, STALE_IF_ERROR_S, Ages, Freshness, evaluate, max_age_s
from edge.grants import Grant, ImageMeta
from regions import byte_ranges
from regions.errors import BadGateway, RangeNotSatisfiable

SECONDS = st.floats(0, 10_000) | st.just(math.inf)
ORDER = [Freshness.FRESH, Freshness.STALE, Freshness.EXPIRED]
GRANT = 'serve=?1, cache=?0; rule="policy.yaml:24"'


@given(SECONDS, SECONDS, SECONDS)
def test_a_copy_never_gets_younger(grant_s, tombstone_age_s, more_s):
    """The older what we know is, the less may be shown."""
    before = evaluate(Ages(grant_s, tombstone_age_s))
    for later in (Ages(grant_s + more_s, tombstone_age_s), Ages(grant_s, tombstone_age_s + more_s)):
        assert ORDER.index(evaluate(later)) >= ORDER.index(before)


def test_a_copy_is_shown_unasked_only_while_grant_and_tombstones_are_young():
    """Each has its own time; what was never heard is infinitely old."""
    assert evaluate(Ages(GRANT_TTL_S, SILENCE_S)) is Freshness.FRESH
    assert evaluate(Ages(GRANT_TTL_S + 1, 0)) is Freshness.STALE
    assert evaluate(Ages(0, SILENCE_S + STALE_IF_ERROR_S)) is Freshness.STALE
    assert evaluate(Ages(0, math.inf)) is Freshness.EXPIRED
    assert evaluate(Ages(math.inf, 0)) is Freshness.EXPIRED


def test_a_client_keeps_it_no_longer_than_we_would():
    """The rest of the grant's time."""
    assert (max_age_s(Ages(600, 0)), max_age_s(Ages(2 * GRANT_TTL_S, 0))) == (3000, 0)


@given(st.binary(min_size=1, max_size=200), st.integers(0, 250), st.integers(0, 250), st.integers(1, 50))
def test_a_range_is_a_slice(body, first, last, piece):
    """However the body is cut in chunks."""
    chunks = [body[at : at + piece] for at in range(0, len(body), piece)]
    try:
        span = byte_ranges.span(f"bytes={first}-{last}", None, '"e"', len(body))
    except RangeNotSatisfiable:
        assert first >= len(body)
        return
    expected = body[first : last + 1] if last >= first else body
    found = b"".join(byte_ranges.cut(chunks, span)) if span else body
    assert found == expected
    assert span is None or len(span) == len(found)


@pytest.mark.parametrize("field", ["", "bytes=-", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "bytes=5-2", "bytes 0-1"])
def test_what_is_not_one_range_of_bytes_is_the_whole(field):
    """As RFC 9110 allows."""
    assert byte_ranges.span(field, None, '"e"', 10) is None


@pytest.mark.parametrize("field", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_beyond_the_end_can_t_be_served(field):
    """416."""
    with pytest.raises(RangeNotSatisfiable):
        byte_ranges.span(field, None, '"e"', 10)


def test_a_range_of_other_bytes_is_the_whole():
    """If-Range takes our strong ETag, and nothing else."""
    assert byte_ranges.span("bytes=0-1", '"e"', '"e"', 10) == byte_ranges.Span(0, 2, 10)
    for if_range in ('"f"', 'W/"e"', "Sun, 06 Nov 1994 08:49:37 GMT"):
        assert byte_ranges.span("bytes=0-1", if_range, '"e"', 10) is None


@pytest.mark.parametrize(
    ("field", "matches"),
    [("*", True), ('"e"', True), ('W/"e"', True), ('"a", "e"', True), ('"a"', False), ("", False), ("e", False)],
)
def test_if_none_match_compares_weakly(field, matches):
    """RFC 9110 section 13.1.2."""
    assert byte_ranges.matches(field, '"e"') is matches


@given(st.booleans(), st.booleans(), st.text(max_size=40))
def test_a_grant_survives_its_field(serve, cache, rule):
    """What ASCII can't say is a question mark; no rule changes what is allowed."""
    back = grants.from_field(grants.to_field(Grant(serve, cache, rule)))
    assert back is not None
    assert (back.serve, back.cache) == (serve, cache)
    assert back.rule == "".join(letter if " " <= letter <= "~" else "?" for letter in rule)


@given(st.text(max_size=60))
def test_what_is_not_exactly_a_grant_is_none(text):
    """Also half a grant, and two of them."""
    assert grants.from_field(text) is None
    assert grants.from_field(GRANT + "," + text) is None


FIELDS = {
    "Darkroom-Grant": GRANT,
    "Repr-Digest": f"sha-256=:{'A' * 43}=:",
    "Content-Length": "10",
    "Age": "5",
}


def test_a_shields_facts_are_as_old_as_it_says():
    """So that ages add up over two edges."""
    facts, size_bytes = grants.from_shield(FIELDS, 100.0)
    assert (facts, size_bytes) == (ImageMeta("0" * 64, Grant(True, False, "policy.yaml:24"), 95.0), 10)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [None, "", "x", "-1", "99999999999999"])
def test_without_every_field_there_are_no_facts(name, value):
    """Fail closed: 502, nothing stored and nothing shown."""
    fields = {**FIELDS, name: value}
    if value is None:
        del fields[name]
    with pytest.raises(BadGateway):
        grants.from_shield(fields, 100.0)


DOCUMENT = {
    "url": "http://o/x",
    "sha256": "0" * 64,
    "size_bytes": 10,
    "places": {"lisbon": {"serve": True, "cache": True, "rule": "r"}},
}


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {**DOCUMENT, "sha256": "x"}, {**DOCUMENT, "size_bytes": "10"}, {**DOCUMENT, "size_bytes": 0},
        {**DOCUMENT, "size_bytes": True}, {**DOCUMENT, "places": {}},
        {**DOCUMENT, "places": {"lisbon": {"serve": True}}},
    ],
)  # fmt: skip
def test_an_origins_answer_that_is_not_whole_is_no_grant(document):
    """502."""
    with pytest.raises(BadGateway):
        grants.from_origin(document, ["lisbon"], 0.0)


@pytest.mark.parametrize("yes", ["true", 1, None, [True]])
def test_only_true_allows(yes):
    """Nothing that is merely truthy."""
    places = {"lisbon": {"serve": yes, "cache": yes, "rule": "r"}}
    granted = grants.from_origin({**DOCUMENT, "places": places}, ["lisbon"], 0.0)
    assert granted.facts["lisbon"].grant == Grant(False, False, "r")


@pytest.mark.parametrize(
    ("outcome", "field"),
    [
        (Outcome(), "lisbon; hit"),
        (Outcome("uri-miss", stored=True), "lisbon; fwd=uri-miss; stored"),
        (Outcome("uri-miss", collapsed=True, behind="shield; hit"), "shield; hit, lisbon; fwd=uri-miss; collapsed"),
        (Outcome("stale", unchanged=True), "lisbon; fwd=stale; fwd-status=304"),
        (Outcome(detail="stale-if-error"), "lisbon; hit; detail=stale-if-error"),
    ],
)
def test_an_outcome_reads_as_the_rfc_says(outcome, field):
    """RFC 9211; the cache nearest to the origin first."""
    assert cache_status.to_field("lisbon", outcome) == field
