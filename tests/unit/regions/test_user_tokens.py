"""A user's token is good at one region, for a quarter of an hour, if the user's home has signed it. No other is."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import ids, keys, node_tokens, user_tokens
from regions.account_records import Scope
from regions.errors import Unauthenticated
from regions.ids import EPOCH_MS, Snowflake
from regions.node_tokens import Call
from regions.user_tokens import AccessToken, Verifier
from tests.builders.statements import node_key

NOW_S = 1_800_000_000
NAMES = {1: "eu-west", 2: "us-central"}
KEYS = {name: node_key(name) for name in ("eu-west", "us-central", "lisbon")}
USER = ids.to_public(ids.USER, ids.compose(Snowflake(EPOCH_MS + 1, 1, 0, 0)))
AMERICAN = ids.to_public(ids.USER, ids.compose(Snowflake(EPOCH_MS + 1, 2, 0, 0)))
CLAIMS = AccessToken(USER, "eu-west", "eu-west", "s_1", frozenset((Scope.READ, Scope.SAY)), "eu")
RAW = {"sub": USER, "iss": "eu-west", "aud": "eu-west", "iat": NOW_S, "exp": NOW_S + 60, "sid": "s", "scope": ["read"]}


def public_keys(region: str) -> dict[str, str]:
    return {"k1": keys.public_text(KEYS[region].public_key())} if region in KEYS else {}


def verified(token: str, here: str = "eu-west", now_s: int = NOW_S) -> AccessToken:
    return Verifier(here, public_keys, NAMES.get).verify(token, now_s)


def issued(audience: str = "eu-west", at_s: int = NOW_S, **settings: object) -> str:
    claims = AccessToken(USER, "eu-west", audience, "s_1", CLAIMS.scopes, "eu")
    return user_tokens.issue(claims, "k1", KEYS["eu-west"], at_s, **settings)


def signed(region: str = "eu-west", kid: object = "eu-west/k1", typ: str = "at+jwt", **changes: object) -> str:
    claims = {**RAW, "class": "eu", **changes}
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, KEYS[region], algorithm="EdDSA", headers={"kid": kid, "typ": typ})


def pack(*parts: bytes) -> str:
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts).decode()


def unpack(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]


def assert_rejected(token: str, **where: object) -> None:
    with pytest.raises(Unauthenticated):
        verified(token, **where)


def test_a_token_says_all_that_it_was_issued_for():
    """To the region that it names."""
    assert verified(issued()) == CLAIMS
    assert verified(issued("us-central"), here="us-central").audience == "us-central"


def test_a_key_may_have_an_id_of_its_own():
    """Behind the name of its region."""
    token = user_tokens.issue(CLAIMS, "k1", KEYS["eu-west"], NOW_S)
    assert verified(token) == CLAIMS


def test_a_token_for_one_region_is_worth_nothing_at_another():
    """Not even at the user's home: a region that received one can't use it there."""
    assert_rejected(issued("us-central"))
    assert_rejected(issued("eu-west"), here="us-central")


@pytest.mark.parametrize("audience", [["eu-west"], ["eu-west", "us-central"], "", None, "darkroom:user"])
def test_a_token_names_exactly_one_region(audience):
    """A list is none."""
    assert_rejected(signed(aud=audience))


@pytest.mark.parametrize(("later_s", "good"), [(-31, False), (-30, True), (0, True), (899, True), (900, False)])
def test_a_token_is_good_for_a_quarter_of_an_hour(later_s, good):
    """It may come from a clock that is 30 seconds ahead."""
    if good:
        assert verified(issued(), now_s=NOW_S + later_s) == CLAIMS
    else:
        assert_rejected(issued(), now_s=NOW_S + later_s)


def test_a_token_that_is_to_live_longer_is_rejected():
    """Although the home has signed it; and `issue` makes none."""
    assert_rejected(signed(exp=NOW_S + 901))
    assert_rejected(issued(ttl_s=10_000), now_s=NOW_S + 900)
    assert_rejected(issued(ttl_s=300), now_s=NOW_S + 300)


@pytest.mark.parametrize("changes", [{"iat": 1.5}, {"iat": True}, {"exp": "1900000000"}, {"exp": NOW_S}, {"iat": None}])
def test_a_time_that_is_no_whole_second_is_rejected(changes):
    """As is an end that is not after the beginning."""
    assert_rejected(signed(**changes))


@pytest.mark.parametrize("claim", ["sub", "aud", "iss", "iat", "exp", "sid", "scope", "class"])
def test_a_token_without_one_of_its_claims_is_rejected(claim):
    """Although its signature is valid."""
    assert verified(signed()).user_id == USER
    assert_rejected(signed(**{claim: None}))


def test_a_region_can_issue_tokens_for_its_own_users_only():
    """The user's id, the issuer and the key must be of one region."""
    assert_rejected(signed(sub=AMERICAN))
    assert_rejected(signed(iss="us-central"))
    assert_rejected(signed(sub=AMERICAN, iss="us-central"))
    assert_rejected(signed(region="us-central", kid="us-central/k1"))
    assert_rejected(signed(region="us-central", kid="eu-west/k1"))


@pytest.mark.parametrize(
    "kid",
    ["mars/k1", "", "eu-west", "eu-west/k2", "eu-west /k1", "lisbon/k1", "us-central/eu-west/k1", 7, None, ["eu-west"]],
)
def test_an_unknown_key_is_rejected(kid):
    """So is an edge's: edges have no users."""
    if kid is not None and not isinstance(kid, str):
        _, claims, signature = unpack(signed())
        assert_rejected(pack(json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).encode(), claims, signature))
    else:
        assert_rejected(signed(kid=kid or "none"))
    assert_rejected(signed(region="lisbon", kid="lisbon/k1", iss="lisbon"))


@pytest.mark.parametrize("region", [0, 3, 63])
def test_an_id_of_an_unknown_region_is_rejected(region):
    """No region can have signed for it."""
    assert_rejected(signed(sub=ids.to_public(ids.USER, ids.compose(Snowflake(EPOCH_MS, region, 0, 0)))))


def test_a_token_of_another_kind_is_rejected():
    """Also if the same key has signed it."""
    assert_rejected(signed(typ="JWT"))
    call = Call("eu-west", "GET", "/v1/photos")
    assert_rejected(node_tokens.issue("eu-west", "k1", KEYS["eu-west"], call, NOW_S))


def test_a_scope_that_this_program_does_not_know_grants_nothing():
    """A newer program may have issued it."""
    assert verified(signed(scope=["read", "govern", "account "])).scopes == {Scope.READ}


@given(st.integers(0, 2), st.integers(0, 10_000), st.integers(0, 7))
def test_an_altered_token_is_rejected(part, at, bit):
    """If any bit of its header, claims or signature has changed."""
    parts = [bytearray(each) for each in unpack(issued())]
    parts[part][at % len(parts[part])] ^= 1 << bit
    assert_rejected(pack(*parts))


def test_claims_with_another_tokens_signature_are_rejected():
    """Two valid tokens can't be combined to a third."""
    mine, other = unpack(issued()), unpack(issued("us-central"))
    assert_rejected(pack(mine[0], other[1], mine[2]), here="us-central")


def test_an_unsigned_token_is_rejected():
    """`alg: none` (RFC 8725 section 3.1), and a public key as an HMAC's secret (section 2.1)."""
    claims = unpack(issued())[1]
    for alg in ("none", "None", "NONE"):
        assert_rejected(pack(json.dumps({"alg": alg, "typ": "at+jwt", "kid": "eu-west/k1"}).encode(), claims, b""))
    text = pack(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": "eu-west/k1"}).encode(), claims)
    forged = hmac.new(public_keys("eu-west")["k1"].encode(), text.encode(), hashlib.sha256).digest()
    assert_rejected(f"{text}.{pack(forged)}")


@given(st.text(max_size=60) | st.lists(st.binary(max_size=20), min_size=3, max_size=3).map(lambda parts: pack(*parts)))
def test_any_other_text_is_rejected(token):
    """Any content of the request's header; and it names no region."""
    assert_rejected(token)
    assert isinstance(user_tokens.audience_unverified(token), str)


HOSTILE = [
    pack(b"[" * 1400, b"{}", b""),
    pack(b'{"alg": ["EdDSA"], "typ": "at+jwt", "kid": "eu-west/k1"}', b"{}", b""),
    pack(b'{"alg": "EdDSA", "typ": "at+jwt", "kid": {"a": 1}}', b"{}", b"x" * 64),
    pack(b'{"alg": "EdDSA", "typ": "at+jwt", "kid": "eu-west/k1", "b64": false, "crit": ["b64"]}', b"{}", b"x" * 64),
    pack(b'{"alg": "EdDSA", "typ": "at+jwt", "kid": "eu-west/k1"}', b"[" * 1300, b"x" * 64),
    pack(b"\xff\xfe", b"{}", b""),
    "." * 2000,
    "\ud800.a.b",
    "a" * 4000,
]


@pytest.mark.parametrize("token", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_token_is_rejected(token):
    """With Unauthenticated, and with no other error."""
    assert_rejected(token)
    assert user_tokens.audience_unverified(token) == ""


def test_every_rejection_has_the_same_response():
    """So an attacker doesn't learn which check failed."""
    documents = set()
    for token in ("", signed(kid="mars"), issued("us-central"), issued(at_s=0), HOSTILE[5], signed(exp=NOW_S + 901)):
        with pytest.raises(Unauthenticated) as raised:
            verified(token)
        documents.add(json.dumps(raised.value.document()))
    assert len(documents) == 1


def test_the_audience_of_a_token_is_read_without_a_key():
    """So that an edge, which has no reason to trust it, can forward it to where it is verified."""
    assert user_tokens.audience_unverified(issued("us-central")) == "us-central"
    assert user_tokens.audience_unverified(signed(aud=["us-central"])) == ""
