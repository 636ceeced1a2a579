"""Freshness, ranges, grants between edges, and Cache-Status."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import cache_status, grants
from edge.cache_status import Outcome
from edge.freshness import GRANT_TTL_S, MAX_TOMBSTONES_AGE_S, STALE_IF_ERROR_S, Ages, Freshness, evaluate, max_age_s
from edge.grants import Grant, Key
from regions import byte_ranges
from regions.errors import BadGateway, RangeNotSatisfiable

SECONDS = st.floats(0, 10_000) | st.just(math.inf)
ORDER = [Freshness.FRESH, Freshness.STALE, Freshness.EXPIRED]
GRANT = 'class="eu", cache=?0'


@given(SECONDS, SECONDS, SECONDS)
def test_a_copy_never_gets_younger(grant_age_s, tombstones_age_s, more_s):
    """As its ages grow, a copy is served under the same conditions or stricter ones."""
    before = evaluate(Ages(grant_age_s, tombstones_age_s))
    for later in (Ages(grant_age_s + more_s, tombstones_age_s), Ages(grant_age_s, tombstones_age_s + more_s)):
        assert ORDER.index(evaluate(later)) >= ORDER.index(before)


def test_a_copy_is_served_without_asking_only_while_its_grant_and_the_tombstones_are_recent():
    """Each has its own bound; without a grant, or without tombstones, the age is infinite."""
    assert evaluate(Ages(GRANT_TTL_S, MAX_TOMBSTONES_AGE_S)) is Freshness.FRESH
    assert evaluate(Ages(GRANT_TTL_S + 1, 0)) is Freshness.STALE
    assert evaluate(Ages(0, MAX_TOMBSTONES_AGE_S + STALE_IF_ERROR_S)) is Freshness.STALE
    assert evaluate(Ages(0, math.inf)) is Freshness.EXPIRED
    assert evaluate(Ages(math.inf, 0)) is Freshness.EXPIRED


def test_a_client_may_cache_an_image_as_long_as_the_edge():
    """For the rest of the grant's time."""
    assert (max_age_s(Ages(600, 0)), max_age_s(Ages(2 * GRANT_TTL_S, 0))) == (3000, 0)


@given(st.binary(min_size=1, max_size=200), st.integers(0, 250), st.integers(0, 250), st.integers(1, 50))
def test_a_range_is_a_slice(body, first, last, piece):
    """However the body is divided into chunks."""
    chunks = [body[at : at + piece] for at in range(0, len(body), piece)]
    try:
        span = byte_ranges.span(f"bytes={first}-{last}", None, '"e"', len(body))
    except RangeNotSatisfiable:
        assert first >= len(body)
        return
    expected = body[first : last + 1] if last >= first else body
    found = b"".join(byte_ranges.slice_chunks(chunks, span)) if span else body
    assert found == expected
    assert span is None or len(span) == len(found)


@pytest.mark.parametrize("header", ["", "bytes=-", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "bytes=5-2", "bytes 0-1"])
def test_a_header_that_is_not_one_byte_range_is_ignored(header):
    """The whole body is sent, as RFC 9110 allows."""
    assert byte_ranges.span(header, None, '"e"', 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_beyond_the_end_is_an_error(header):
    """416."""
    with pytest.raises(RangeNotSatisfiable):
        byte_ranges.span(header, None, '"e"', 10)


def test_a_range_of_another_representation_is_ignored():
    """If-Range matches only our strong ETag; otherwise the whole body is sent."""
    assert byte_ranges.span("bytes=0-1", '"e"', '"e"', 10) == byte_ranges.Span(0, 2, 10)
    for if_range in ('"f"', 'W/"e"', "Sun, 06 Nov 1994 08:49:37 GMT"):
        assert byte_ranges.span("bytes=0-1", if_range, '"e"', 10) is None


@pytest.mark.parametrize(
    ("header", "matches"),
    [("*", True), ('"e"', True), ('W/"e"', True), ('"a", "e"', True), ('"a"', False), ("", False), ("e", False)],
)
def test_if_none_match_compares_weakly(header, matches):
    """RFC 9110 section 13.1.2."""
    assert byte_ranges.matches(header, '"e"') is matches


@given(st.booleans(), st.text(min_size=1, max_size=40))
def test_a_grant_survives_its_header(cache, residency_class):
    """Non-ASCII characters become question marks; the name of the class can't change what is allowed."""
    sent = grants.to_header(Grant("0" * 64, residency_class, "eu-west", 0.0), cache)
    grant = grants.renewed("0" * 64, {"Darkroom-Grant": sent, "Age": "0"}, "eu-west", 0.0)
    assert grant.sender_caches is cache
    assert grant.residency_class == "".join(char if " " <= char <= "~" else "?" for char in residency_class)


@given(st.text(max_size=60))
def test_a_header_that_is_not_exactly_a_grant_is_refused(text):
    """Also half a grant, and two grants."""
    for header in (text, GRANT + "," + text):
        with pytest.raises(BadGateway):
            grants.renewed("0" * 64, {"Darkroom-Grant": header, "Age": "0"}, "eu-west", 0.0)


@pytest.mark.parametrize(
    ("name", "content_type"), [("640.jpg", "image/jpeg"), ("640.v2.avif", "image/avif"), ("640.webp", "image/webp")]
)
def test_the_name_of_an_image_decides_its_content_type(name, content_type):
    """By its format."""
    assert Key("p_00000000001", name).content_type == content_type


HEADERS = {
    "Darkroom-Grant": GRANT,
    "Repr-Digest": f"sha-256=:{'A' * 43}=:",
    "Content-Length": "10",
    "Age": "5",
}


def test_a_shields_grant_has_the_age_that_the_shield_sends():
    """So ages add up over two edges."""
    grant, size_bytes = grants.from_shield(HEADERS, "eu-west", 100.0)
    assert (grant, size_bytes) == (Grant("0" * 64, "eu", "eu-west", 95.0, sender_caches=False), 10)


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", [None, "", "x", "-1", "99999999999999"])
def test_a_shields_response_needs_every_header(name, value):
    """Fails closed: 502, nothing is cached and nothing served."""
    headers = {**HEADERS, name: value}
    if value is None:
        del headers[name]
    with pytest.raises(BadGateway):
        grants.from_shield(headers, "eu-west", 100.0)


DOCUMENT = {
    "url": "http://o/x",
    "sha256": "0" * 64,
    "size_bytes": 10,
    "residency_class": "eu",
}


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {**DOCUMENT, "sha256": "x"}, {**DOCUMENT, "size_bytes": "10"}, {**DOCUMENT, "size_bytes": 0},
        {**DOCUMENT, "size_bytes": True}, {**DOCUMENT, "residency_class": ""}, {**DOCUMENT, "residency_class": None},
        {**DOCUMENT, "residency_class": "c" * 81}, {"residency_class": "eu"},
    ],
)  # fmt: skip
def test_an_incomplete_response_of_an_origin_is_not_a_grant(document):
    """502."""
    with pytest.raises(BadGateway):
        grants.from_origin(document, "eu-west", 0.0)


@pytest.mark.parametrize(
    ("outcome", "header"),
    [
        (Outcome(), "lisbon; hit"),
        (Outcome("uri-miss", stored=True), "lisbon; fwd=uri-miss; stored"),
        (
            Outcome("uri-miss", collapsed=True, upstream_status="shield; hit"),
            "shield; hit, lisbon; fwd=uri-miss; collapsed",
        ),
        (Outcome("stale", unchanged=True), "lisbon; fwd=stale; fwd-status=304"),
        (Outcome(detail="stale-if-error"), "lisbon; hit; detail=stale-if-error"),
    ],
)
def test_an_outcome_is_formatted_as_in_the_rfc(outcome, header):
    """RFC 9211; the cache nearest to the origin first."""
    assert cache_status.to_header("lisbon", outcome) == header
