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

from regions import ids, tokens
from regions.errors import Unauthenticated
from regions.ids import EPOCH_MS, Snowflake

YEAR_S = 365 * 24 * 3600
NAMES = {1: "eu-west", 2: "us-central"}
KEYS = {name: tokens.make_key() for name in ("eu-west", "us-central", "lisbon")}
USER = ids.to_public(ids.USER, ids.compose(Snowflake(EPOCH_MS + 1, 1, 0, 0)))
AMERICAN = ids.to_public(ids.USER, ids.compose(Snowflake(EPOCH_MS + 1, 2, 0, 0)))


def now_s() -> int:
    return int(time.time())


def public_key(name: str) -> str | None:
    return KEYS[name][1] if name in KEYS else None


def user_token(user_id: str = USER, region: str = "eu-west", at_s: int | None = None) -> str:
    return tokens.issue_user(user_id, region, KEYS[region][0], now_s() if at_s is None else at_s)


def user_of(token: str) -> str:
    return tokens.user_id(token, public_key, NAMES.get)


def node_of(token: str) -> str:
    return tokens.node_name(token, public_key)


def signed(claims: dict, region: str = "eu-west", kid: object = "eu-west", **changes: object) -> str:
    claims = {"sub": USER, "aud": "darkroom:user", "iat": now_s(), "exp": now_s() + 60, **claims, **changes}
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, KEYS[region][0], algorithm="EdDSA", headers={"kid": kid})


def pack(*parts: bytes) -> str:
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts).decode()


def unpack(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]


def test_a_users_token_contains_the_user():
    """The public key is enough to check it."""
    assert user_of(user_token()) == USER


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
    parts = [bytearray(each) for each in unpack(user_token())]
    parts[part][at % len(parts[part])] ^= 1 << bit
    with pytest.raises(Unauthenticated):
        user_of(pack(*parts))


def test_claims_with_another_tokens_signature_are_rejected():
    """Two valid tokens can't be combined to a third."""
    mine, theirs = unpack(user_token(USER)), unpack(user_token(AMERICAN, "us-central"))
    with pytest.raises(Unauthenticated):
        user_of(pack(mine[0], theirs[1], mine[2]))


def test_a_region_can_issue_tokens_for_its_own_users_only():
    """The signature is valid, but the user's id contains another region."""
    with pytest.raises(Unauthenticated):
        user_of(user_token(AMERICAN, "eu-west"))


def test_a_token_that_another_key_signed_is_rejected():
    """Although its `kid` names the right region."""
    with pytest.raises(Unauthenticated):
        user_of(signed({}, region="us-central", kid="eu-west"))


@pytest.mark.parametrize("kid", ["mars", "", "eu-west ", "lisbon"])
def test_an_unknown_signer_is_rejected(kid):
    """So is an edge, which has no users."""
    with pytest.raises(Unauthenticated):
        user_of(signed({}, kid=kid))


def test_an_edge_can_not_issue_a_users_token():
    """It signs with its own key and its own name."""
    with pytest.raises(Unauthenticated):
        user_of(signed({}, region="lisbon", kid="lisbon"))


@pytest.mark.parametrize("region", [0, 3, 63])
def test_an_id_of_an_unknown_region_is_rejected(region):
    """No region can have signed for it."""
    stranger = ids.to_public(ids.USER, ids.compose(Snowflake(EPOCH_MS, region, 0, 0)))
    with pytest.raises(Unauthenticated):
        user_of(signed({"sub": stranger}))


@pytest.mark.parametrize(("age_s", "valid"), [(0, True), (YEAR_S - 60, True), (YEAR_S + 90, False)])
def test_a_users_token_is_valid_for_a_year(age_s, valid):
    """And no longer, apart from the allowed clock skew."""
    token = user_token(at_s=now_s() - age_s)
    if valid:
        assert user_of(token) == USER
    else:
        with pytest.raises(Unauthenticated):
            user_of(token)


def test_a_nodes_token_is_valid_for_a_minute():
    """A stolen one is soon useless."""
    with pytest.raises(Unauthenticated):
        node_of(tokens.issue_node("lisbon", KEYS["lisbon"][0], now_s() - 120))


def test_a_token_from_the_future_is_rejected():
    """Beyond the allowed clock skew."""
    with pytest.raises(Unauthenticated):
        user_of(user_token(at_s=now_s() + 3600))


def test_users_tokens_and_nodes_tokens_are_not_interchangeable():
    with pytest.raises(Unauthenticated):
        node_of(user_token())
    with pytest.raises(Unauthenticated):
        user_of(tokens.issue_node("eu-west", KEYS["eu-west"][0], now_s()))


def test_a_node_can_issue_tokens_for_itself_only():
    """The signature is valid, but the subject is another node."""
    with pytest.raises(Unauthenticated):
        node_of(signed({"sub": "us-central", "aud": "darkroom:node"}))


@pytest.mark.parametrize("claim", ["sub", "aud", "iat", "exp"])
def test_a_token_without_a_required_claim_is_rejected(claim):
    """Although its signature is valid."""
    with pytest.raises(Unauthenticated):
        user_of(signed({}, **{claim: None}))


def test_an_oversized_token_is_rejected():
    """Although its signature is valid: the length is checked first."""
    with pytest.raises(Unauthenticated):
        user_of(signed({"padding": "x" * 4000}))


def test_an_unsigned_token_is_rejected():
    """`alg: none` (RFC 8725 section 3.1)."""
    _, claims, _ = unpack(user_token())
    for alg in ("none", "None", "NONE"):
        with pytest.raises(Unauthenticated):
            user_of(pack(json.dumps({"alg": alg, "typ": "JWT", "kid": "eu-west"}).encode(), claims, b""))


def test_a_public_key_can_not_be_used_as_an_hmac_secret():
    """RFC 8725 section 2.1."""
    head = json.dumps({"alg": "HS256", "typ": "JWT", "kid": "eu-west"}).encode()
    text = pack(head, unpack(user_token())[1])
    forged = hmac.new(KEYS["eu-west"][1].encode(), text.encode(), hashlib.sha256).digest()
    with pytest.raises(Unauthenticated):
        user_of(f"{text}.{pack(forged)}")


@given(st.text(max_size=60) | st.lists(st.binary(max_size=20), min_size=3, max_size=3).map(lambda parts: pack(*parts)))
def test_any_other_text_is_rejected(token):
    """Any content of the request's header."""
    with pytest.raises(Unauthenticated):
        user_of(token)


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
        user_of(token)


def test_every_rejection_has_the_same_response():
    """So an attacker doesn't learn which check failed."""
    documents = set()
    for token in ("", signed({}, kid="mars"), user_token(AMERICAN, "eu-west"), user_token(at_s=0), HOSTILE[5]):
        with pytest.raises(Unauthenticated) as raised:
            user_of(token)
        documents.add(json.dumps(raised.value.document()))
    assert len(documents) == 1
