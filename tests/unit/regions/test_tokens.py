"""A token is what its region or its node has signed, or it is refused; every refusal looks the same."""

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
    whole = {"sub": USER, "aud": "darkroom:user", "iat": now_s(), "exp": now_s() + 60, **claims, **changes}
    said = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(said, KEYS[region][0], algorithm="EdDSA", headers={"kid": kid})


def pack(*parts: bytes) -> str:
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts).decode()


def unpack(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]


def test_a_users_token_names_the_user():
    """Checked with the public key alone."""
    assert user_of(user_token()) == USER


def test_a_nodes_token_names_the_node():
    """A region or an edge."""
    for name in ("eu-west", "lisbon"):
        assert node_of(tokens.issue_node(name, KEYS[name][0], now_s())) == name


def test_a_public_key_is_half_of_the_private():
    """And can be made from it again."""
    private, public = tokens.make_key()
    assert tokens.public_half(private) == public
    assert tokens.make_key() != (private, public)


@given(st.integers(0, 2), st.integers(0, 10_000), st.integers(0, 7))
def test_an_altered_token_is_refused(part, at, bit):
    """Any bit of its header, its claims or its signature."""
    parts = [bytearray(each) for each in unpack(user_token())]
    parts[part][at % len(parts[part])] ^= 1 << bit
    with pytest.raises(Unauthenticated):
        user_of(pack(*parts))


def test_claims_under_another_tokens_signature_are_refused():
    """Two good tokens do not make a third."""
    mine, theirs = unpack(user_token(USER)), unpack(user_token(AMERICAN, "us-central"))
    with pytest.raises(Unauthenticated):
        user_of(pack(mine[0], theirs[1], mine[2]))


def test_a_region_vouches_for_its_own_people_only():
    """Well signed by one region, but for a user whose id says another."""
    with pytest.raises(Unauthenticated):
        user_of(user_token(AMERICAN, "eu-west"))


def test_another_regions_key_is_refused():
    """Though the token says that it is the right one's."""
    with pytest.raises(Unauthenticated):
        user_of(signed({}, region="us-central", kid="eu-west"))


@pytest.mark.parametrize("kid", ["mars", "", "eu-west ", "lisbon"])
def test_an_unknown_signer_is_refused(kid):
    """So is one that has no people: an edge."""
    with pytest.raises(Unauthenticated):
        user_of(signed({}, kid=kid))


def test_an_edge_can_make_no_users():
    """It signs with its own key, as itself."""
    with pytest.raises(Unauthenticated):
        user_of(signed({}, region="lisbon", kid="lisbon"))


@pytest.mark.parametrize("region", [0, 3, 63])
def test_an_id_of_no_region_is_refused(region):
    """Nobody can have signed for it."""
    stranger = ids.to_public(ids.USER, ids.compose(Snowflake(EPOCH_MS, region, 0, 0)))
    with pytest.raises(Unauthenticated):
        user_of(signed({"sub": stranger}))


@pytest.mark.parametrize(("age_s", "good"), [(0, True), (YEAR_S - 60, True), (YEAR_S + 90, False)])
def test_a_users_token_lasts_a_year(age_s, good):
    """And no longer, but for clocks that differ."""
    token = user_token(at_s=now_s() - age_s)
    if good:
        assert user_of(token) == USER
    else:
        with pytest.raises(Unauthenticated):
            user_of(token)


def test_a_nodes_token_lasts_a_minute():
    """A stolen one is soon worth nothing."""
    with pytest.raises(Unauthenticated):
        node_of(tokens.issue_node("lisbon", KEYS["lisbon"][0], now_s() - 120))


def test_a_token_from_the_future_is_refused():
    """Beyond what clocks may differ."""
    with pytest.raises(Unauthenticated):
        user_of(user_token(at_s=now_s() + 3600))


def test_a_users_token_is_no_nodes_token():
    """Nor the other way round."""
    with pytest.raises(Unauthenticated):
        node_of(user_token())
    with pytest.raises(Unauthenticated):
        user_of(tokens.issue_node("eu-west", KEYS["eu-west"][0], now_s()))


def test_a_node_speaks_for_itself_only():
    """Well signed by one, but in the name of another."""
    with pytest.raises(Unauthenticated):
        node_of(signed({"sub": "us-central", "aud": "darkroom:node"}))


@pytest.mark.parametrize("claim", ["sub", "aud", "iat", "exp"])
def test_a_token_without_a_claim_is_refused(claim):
    """Well signed, but not by us in this form."""
    with pytest.raises(Unauthenticated):
        user_of(signed({}, **{claim: None}))


def test_an_oversized_token_is_refused():
    """Though it is well signed: nobody works on what is too long."""
    with pytest.raises(Unauthenticated):
        user_of(signed({"padding": "x" * 4000}))


def test_an_unsigned_token_is_refused():
    """`alg: none` (RFC 8725 section 3.1)."""
    _, claims, _ = unpack(user_token())
    for alg in ("none", "None", "NONE"):
        with pytest.raises(Unauthenticated):
            user_of(pack(json.dumps({"alg": alg, "typ": "JWT", "kid": "eu-west"}).encode(), claims, b""))


def test_a_public_key_signs_nothing():
    """As a secret of HMAC (RFC 8725 section 2.1)."""
    head = json.dumps({"alg": "HS256", "typ": "JWT", "kid": "eu-west"}).encode()
    text = pack(head, unpack(user_token())[1])
    forged = hmac.new(KEYS["eu-west"][1].encode(), text.encode(), hashlib.sha256).digest()
    with pytest.raises(Unauthenticated):
        user_of(f"{text}.{pack(forged)}")


@given(st.text(max_size=60) | st.lists(st.binary(max_size=20), min_size=3, max_size=3).map(lambda parts: pack(*parts)))
def test_nonsense_is_refused(token):
    """Whatever stands in the header of a request."""
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
def test_a_hostile_token_is_refused(token):
    """As a token, and with no other error."""
    with pytest.raises(Unauthenticated):
        user_of(token)


def test_every_refusal_looks_the_same():
    """Nobody learns from it how near they were."""
    said = set()
    for token in ("", signed({}, kid="mars"), user_token(AMERICAN, "eu-west"), user_token(at_s=0), HOSTILE[5]):
        with pytest.raises(Unauthenticated) as refusal:
            user_of(token)
        said.add(json.dumps(refusal.value.document()))
    assert len(said) == 1
