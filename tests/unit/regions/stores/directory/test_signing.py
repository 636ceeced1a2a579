"""A signed URL allows what was signed, until it expires, and nothing else."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regions.errors import Forbidden
from regions.stores.directory.signing import Claim, SignedContent, read_claim, sign, signed_url, verify

SECRET = b"a secret"
NOW_MS = 1_800_000_000_000
CLAIM = Claim("PUT", "/part/abc/1", 5_000_000, NOW_MS + 60_000)

contents = st.builds(SignedContent, st.text(min_size=1, max_size=70), st.text(max_size=30), st.text(max_size=30))
claims = st.builds(
    Claim,
    st.sampled_from(["GET", "PUT"]),
    st.text(max_size=30).map("/".__add__),
    st.none() | st.integers(0, 10**17),
    st.integers(NOW_MS + 1, 10**17),
    st.none() | contents,
)
changes = st.one_of(
    st.fixed_dictionaries({"method": st.sampled_from(["GET", "PUT", "DELETE"])}),
    st.fixed_dictionaries({"path": st.text(max_size=30).map("/".__add__)}),
    st.fixed_dictionaries({"size_bytes": st.none() | st.integers(0, 10**17)}),
    st.fixed_dictionaries({"expires_at_ms": st.integers(NOW_MS + 1, 10**17)}),
    st.fixed_dictionaries({"content": st.none() | contents}),
)


def query_of(claim: Claim, **changes: str) -> str:
    """The query of the claim's URL, with some values changed; None removes one."""
    pairs = dict(parse_qsl(urlsplit(signed_url(SECRET, "http://object-server", replace(claim, path="/"))).query))
    pairs["signature"] = sign(SECRET, claim)
    return urlencode({name: value for name, value in {**pairs, **changes}.items() if value is not None})


@given(claims)
def test_what_was_signed_is_read_back(claim):
    """Method, path, size, expiry and content, whatever characters they have."""
    assert read_claim(SECRET, claim.method, claim.path, query_of(claim), NOW_MS) == claim


@given(claims, changes)
def test_any_altered_claim_is_rejected(claim, change):
    """Different claims have different signatures."""
    altered = replace(claim, **change)
    assume(altered != claim)
    assert not verify(SECRET, altered, sign(SECRET, claim))
    query = query_of(altered, signature=sign(SECRET, claim))
    with pytest.raises(Forbidden):
        read_claim(SECRET, altered.method, altered.path, query, NOW_MS)


@given(claims, st.data())
def test_a_claim_with_one_word_of_its_content_changed_is_rejected(claim, data):
    """Not even a word that moves from one to the next."""
    assume(claim.content is not None)
    name = data.draw(st.sampled_from(["sha256", "content_type", "cache_control"]))
    content = replace(claim.content, **{name: data.draw(st.text(min_size=1, max_size=30))})
    assume(content != claim.content)
    assert not verify(SECRET, replace(claim, content=content), sign(SECRET, claim))


@given(claims, st.text(max_size=70))
def test_any_other_signature_is_rejected(claim, signature):
    """Whatever characters it consists of."""
    assume(signature != sign(SECRET, claim))
    with pytest.raises(Forbidden):
        read_claim(SECRET, claim.method, claim.path, query_of(claim, signature=signature), NOW_MS)


@given(claims, st.binary(max_size=40))
def test_another_secret_signs_nothing_here(claim, secret):
    """Each region has its own."""
    # HMAC pads keys with zeros (RFC 2104), so a secret with zeros appended is the same key.
    assume(secret.rstrip(b"\0") != SECRET)
    assert not verify(SECRET, claim, sign(secret, claim))


@given(st.text(max_size=80))
def test_a_query_of_nonsense_is_rejected(query):
    """A query is untrusted until it is verified."""
    with pytest.raises(Forbidden):
        read_claim(SECRET, "GET", "/object/raw/ab/p", query, NOW_MS)


@pytest.mark.parametrize("name", ["expires", "signature", "size"])
def test_a_url_with_a_missing_parameter_is_rejected(name):
    """All of them were signed."""
    with pytest.raises(Forbidden):
        read_claim(SECRET, CLAIM.method, CLAIM.path, query_of(CLAIM, **{name: None}), NOW_MS)


@pytest.mark.parametrize("number", ["-1", "1e3", "5_000_000", " 5000000", "٥", "9" * 4000, ""])
@pytest.mark.parametrize("name", ["expires", "size"])
def test_a_number_that_is_written_oddly_is_rejected(name, number):
    """A number has one way to be written, and a bound."""
    with pytest.raises(Forbidden):
        read_claim(SECRET, CLAIM.method, CLAIM.path, query_of(CLAIM, **{name: number}), NOW_MS)


@pytest.mark.parametrize(("left_ms", "allowed"), [(1, True), (0, False), (-1, False)])
def test_a_url_expires_at_its_millisecond(left_ms, allowed):
    """At that millisecond it has expired, and the error says so."""
    now_ms = CLAIM.expires_at_ms - left_ms
    if allowed:
        assert read_claim(SECRET, "PUT", CLAIM.path, query_of(CLAIM), now_ms) == CLAIM
        return
    with pytest.raises(Forbidden) as rejected:
        read_claim(SECRET, "PUT", CLAIM.path, query_of(CLAIM), now_ms)
    assert rejected.value.members == {"expired": True}


def test_the_url_of_a_get_is_good_for_head():
    """Whatever may be read may also be inspected."""
    claim = Claim("GET", "/object/raw/ab/p", None, NOW_MS + 1)
    assert read_claim(SECRET, "HEAD", claim.path, query_of(claim), NOW_MS) == claim


def test_the_url_of_a_put_is_not_good_for_head():
    """A URL allows one thing only."""
    with pytest.raises(Forbidden):
        read_claim(SECRET, "HEAD", CLAIM.path, query_of(CLAIM), NOW_MS)


def test_a_url_leads_to_the_object_server():
    """The base comes before the path, unchanged."""
    url = urlsplit(signed_url(SECRET, "http://127.0.0.1:8000", CLAIM))
    assert (url.netloc, url.path) == ("127.0.0.1:8000", CLAIM.path)
    assert dict(parse_qsl(url.query))["size"] == "5000000"
