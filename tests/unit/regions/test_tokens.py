"""A token is valid only if its own region or node has signed it. Every other token is rejected with the same error."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import tokens
from regions.errors import Unauthenticated

KEYS = {name: tokens.make_key() for name in ("eu-west", "us-central", "lisbon")}


def now_s() -> int:
    return int(time.time())


def public_key(name: str) -> str | None:
    return KEYS[name][1] if name in KEYS else None


def node_token(name: str = "eu-west", at_s: int | None = None) -> str:
    return tokens.issue_node(name, KEYS[name][0], now_s() if at_s is None else at_s)


def node_of(token: str) -> str:
    return tokens.node_name(token, public_key)


def signed(claims: dict, region: str = "eu-west", kid: object = "eu-west", **changes: object) -> str:
    claims = {"sub": "eu-west", "aud": "darkroom:node", "iat": now_s(), "exp": now_s() + 60, **claims, **changes}
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, KEYS[region][0], algorithm="EdDSA", headers={"kid": kid})


def pack(*parts: bytes) -> str:
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts).decode()


def unpack(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]


def test_a_nodes_token_contains_the_node():
    """A region or an edge."""
    for name in ("eu-west", "lisbon"):
        assert node_of(tokens.issue_node(name, KEYS[name][0], now_s())) == name


def test_the_public_key_can_be_derived_from_the_private_key():
    private, public = tokens.make_key()
    assert tokens.public_half(private) == public
    assert tokens.make_key() != (private, public)


@given(st.integers(0, 2), st.integers(0, 10_000), st.integers(0, 7))
def test_an_altered_token_is_rejected(part, at, bit):
    """If any bit of its header, claims or signature has changed."""
    parts = [bytearray(each) for each in unpack(node_token())]
    parts[part][at % len(parts[part])] ^= 1 << bit
    with pytest.raises(Unauthenticated):
        node_of(pack(*parts))


def test_claims_with_another_tokens_signature_are_rejected():
    """Two valid tokens can't be combined to a third."""
    mine, theirs = unpack(node_token()), unpack(node_token("us-central"))
    with pytest.raises(Unauthenticated):
        node_of(pack(mine[0], theirs[1], mine[2]))


def test_a_token_that_another_key_signed_is_rejected():
    """Although its `kid` names the right region."""
    with pytest.raises(Unauthenticated):
        node_of(signed({}, region="us-central", kid="eu-west"))


@pytest.mark.parametrize("kid", ["mars", "", "eu-west ", "lisbon"])
def test_an_unknown_signer_is_rejected(kid):
    """So is another node than the one that signed."""
    with pytest.raises(Unauthenticated):
        node_of(signed({}, kid=kid))


def test_a_nodes_token_is_valid_for_a_minute():
    """A stolen one is soon useless."""
    with pytest.raises(Unauthenticated):
        node_of(tokens.issue_node("lisbon", KEYS["lisbon"][0], now_s() - 120))


def test_a_token_from_the_future_is_rejected():
    """Beyond the allowed clock skew."""
    with pytest.raises(Unauthenticated):
        node_of(node_token(at_s=now_s() + 3600))


def test_a_node_can_issue_tokens_for_itself_only():
    """The signature is valid, but the subject is another node."""
    with pytest.raises(Unauthenticated):
        node_of(signed({"sub": "us-central", "aud": "darkroom:node"}))


@pytest.mark.parametrize("claim", ["sub", "aud", "iat", "exp"])
def test_a_token_without_a_required_claim_is_rejected(claim):
    """Although its signature is valid."""
    with pytest.raises(Unauthenticated):
        node_of(signed({}, **{claim: None}))


def test_an_oversized_token_is_rejected():
    """Although its signature is valid: the length is checked first."""
    with pytest.raises(Unauthenticated):
        node_of(signed({"padding": "x" * 4000}))


def test_an_unsigned_token_is_rejected():
    """`alg: none` (RFC 8725 section 3.1)."""
    _, claims, _ = unpack(node_token())
    for alg in ("none", "None", "NONE"):
        with pytest.raises(Unauthenticated):
            node_of(pack(json.dumps({"alg": alg, "typ": "JWT", "kid": "eu-west"}).encode(), claims, b""))


def test_a_public_key_can_not_be_used_as_an_hmac_secret():
    """RFC 8725 section 2.1."""
    head = json.dumps({"alg": "HS256", "typ": "JWT", "kid": "eu-west"}).encode()
    text = pack(head, unpack(node_token())[1])
    forged = hmac.new(KEYS["eu-west"][1].encode(), text.encode(), hashlib.sha256).digest()
    with pytest.raises(Unauthenticated):
        node_of(f"{text}.{pack(forged)}")


@given(st.text(max_size=60) | st.lists(st.binary(max_size=20), min_size=3, max_size=3).map(lambda parts: pack(*parts)))
def test_any_other_text_is_rejected(token):
    """Any content of the request's header."""
    with pytest.raises(Unauthenticated):
        node_of(token)


HOSTILE = [
    pack(b"[" * 1400, b"{}", b""),
    pack(b'{"alg": ["EdDSA"], "kid": "eu-west"}', b"{}", b""),
    pack(b'{"alg": "EdDSA", "kid": {"a": 1}}', b"{}", b"x" * 64),
    pack(b'{"alg": "EdDSA", "kid": "eu-west", "b64": false, "crit": ["b64"]}', b"{}", b"x" * 64),
    pack(b'{"alg": "EdDSA", "kid": "eu-west"}', b"[" * 1300, b"x" * 64),
    pack(b"\xff\xfe", b"{}", b""),
    "." * 2000,
    "\ud800.a.b",
]


@pytest.mark.parametrize("token", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_token_is_rejected(token):
    """With Unauthenticated, and with no other error."""
    with pytest.raises(Unauthenticated):
        node_of(token)


def test_every_rejection_has_the_same_response():
    """So an attacker doesn't learn which check failed."""
    documents = set()
    for token in ("", signed({}, kid="mars"), signed({"sub": "us-central"}), node_token(at_s=0), HOSTILE[5]):
        with pytest.raises(Unauthenticated) as raised:
            node_of(token)
        documents.add(json.dumps(raised.value.document()))
    assert len(documents) == 1
