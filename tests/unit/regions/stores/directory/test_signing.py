"""A signed URL allows what was signed, until it expires, and nothing else."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regions.errors import Forbidden
from regions.stores.directory.signing import Claim, read_claim, sign, signed_url, verify

SECRET = b"a secret"
NOW_MS = 1_800_000_000_000
CLAIM = Claim("PUT", "/part/abc/1", 5_000_000, NOW_MS + 60_000)

claims = st.builds(
    Claim,
    st.sampled_from(["GET", "PUT"]),
    st.text(max_size=30).map("/".__add__),
    st.none() | st.integers(0, 10**17),
    st.integers(NOW_MS + 1, 10**17),
)
changes = st.one_of(
    st.fixed_dictionaries({"method": st.sampled_from(["GET", "PUT", "DELETE"])}),
    st.fixed_dictionaries({"path": st.text(max_size=30).map("/".__add__)}),
    st.fixed_dictionaries({"size_bytes": st.none() | st.integers(0, 10**17)}),
    st.fixed_dictionaries({"expires_at_ms": st.integers(NOW_MS + 1, 10**17)}),
)


def query_of(claim: Claim, **changes: str) -> str:
    """The query of the claim's URL, some of its values changed; None takes one away."""
    pairs = dict(parse_qsl(urlsplit(signed_url(SECRET, "http://door", replace(claim, path="/"))).query))
    pairs["signature"] = sign(SECRET, claim)
    return urlencode({name: value for name, value in {**pairs, **changes}.items() if value is not None})


@given(claims)
def test_what_was_signed_is_read_back(claim):
    """Method, path, size and expiry, whatever stands in the path."""
    assert read_claim(SECRET, claim.method, claim.path, query_of(claim), NOW_MS) == claim


@given(claims, changes)
def test_any_altered_claim_is_refused(claim, change):
    """The signature of one claim is that of no other."""
    altered = replace(claim, **change)
    assume(altered != claim)
    assert not verify(SECRET, altered, sign(SECRET, claim))
    query = urlencode(
        {
            **({} if altered.size_bytes is None else {"size": altered.size_bytes}),
            "expires": altered.expires_at_ms,
            "signature": sign(SECRET, claim),
        }
    )
    with pytest.raises(Forbidden):
        read_claim(SECRET, altered.method, altered.path, query, NOW_MS)


@given(claims, st.text(max_size=70))
def test_any_other_signature_is_refused(claim, signature):
    """Whatever characters it is made of."""
    assume(signature != sign(SECRET, claim))
    with pytest.raises(Forbidden):
        read_claim(SECRET, claim.method, claim.path, query_of(claim, signature=signature), NOW_MS)


@given(claims, st.binary(max_size=40))
def test_another_secret_signs_nothing_here(claim, secret):
    """Each region has its own."""
    # HMAC pads keys with zeros (RFC 2104), so that a secret and itself with zeros behind are one.
    assume(secret.rstrip(b"\0") != SECRET)
    assert not verify(SECRET, claim, sign(secret, claim))


@given(st.text(max_size=80))
def test_a_query_of_nonsense_is_refused(query):
    """It is hostile until it is checked."""
    with pytest.raises(Forbidden):
        read_claim(SECRET, "GET", "/object/raw/ab/p", query, NOW_MS)


@pytest.mark.parametrize("name", ["expires", "signature", "size"])
def test_a_url_with_a_part_missing_is_refused(name):
    """All of them were signed."""
    with pytest.raises(Forbidden):
        read_claim(SECRET, CLAIM.method, CLAIM.path, query_of(CLAIM, **{name: None}), NOW_MS)


@pytest.mark.parametrize("number", ["-1", "1e3", "5_000_000", " 5000000", "٥", "9" * 4000, ""])
@pytest.mark.parametrize("name", ["expires", "size"])
def test_a_number_that_is_written_oddly_is_refused(name, number):
    """A number has one way to be written, and a bound."""
    with pytest.raises(Forbidden):
        read_claim(SECRET, CLAIM.method, CLAIM.path, query_of(CLAIM, **{name: number}), NOW_MS)


@pytest.mark.parametrize(("left_ms", "allowed"), [(1, True), (0, False), (-1, False)])
def test_a_url_ends_at_its_moment(left_ms, allowed):
    """At that millisecond it is over, and the refusal says so."""
    now_ms = CLAIM.expires_at_ms - left_ms
    if allowed:
        assert read_claim(SECRET, "PUT", CLAIM.path, query_of(CLAIM), now_ms) == CLAIM
        return
    with pytest.raises(Forbidden) as refusal:
        read_claim(SECRET, "PUT", CLAIM.path, query_of(CLAIM), now_ms)
    assert refusal.value.members == {"expired": True}


def test_head_goes_with_the_url_of_a_get():
    """What may be read may be asked about."""
    claim = Claim("GET", "/object/raw/ab/p", None, NOW_MS + 1)
    assert read_claim(SECRET, "HEAD", claim.path, query_of(claim), NOW_MS) == claim


def test_head_does_not_go_with_the_url_of_a_put():
    """One thing only."""
    with pytest.raises(Forbidden):
        read_claim(SECRET, "HEAD", CLAIM.path, query_of(CLAIM), NOW_MS)


def test_a_url_leads_to_the_door():
    """The base stands before the path as it is."""
    url = urlsplit(signed_url(SECRET, "http://127.0.0.1:8000", CLAIM))
    assert (url.netloc, url.path) == ("127.0.0.1:8000", CLAIM.path)
    assert dict(parse_qsl(url.query))["size"] == "5000000"
