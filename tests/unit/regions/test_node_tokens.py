"""A node's token proves who asks, whom, for what and when; anything else that looks like one proves nothing."""

import base64
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import keys, node_tokens
from regions.errors import Unauthenticated
from regions.node_tokens import Call, NodeSigner
from tests.builders.statements import node_key

NOW_S = 1_800_000_000
CALL = Call("eu-west", "POST", "/border/v1/details?a=b", b'{"ids": []}')
LISBON = node_key("lisbon")
LISTED = {"lisbon": {"k1": keys.public_text(LISBON.public_key())}}


def public_keys(name: str) -> dict[str, str]:
    return LISTED.get(name, {})


def issued(call: Call = CALL, at_s: int = NOW_S) -> str:
    return node_tokens.issue("lisbon", "k1", LISBON, call, at_s)


def sender(token: str, call: Call = CALL, now_s: int = NOW_S) -> str:
    return node_tokens.sender(token, call, public_keys, now_s)


def changed(**changes: object) -> str:
    """A token with other claims, rightly signed; a claim that is None is left out."""
    claims = jwt.decode(issued(), options={"verify_signature": False}) | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.PyJWS().encode(json.dumps(kept).encode(), LISBON, algorithm="EdDSA", headers={"kid": "k1"})


def test_the_sender_of_a_call_is_proven():
    """By the key that is listed under its name."""
    assert sender(issued()) == "lisbon"


@pytest.mark.parametrize(
    "other",
    [
        Call("us-central", CALL.method, CALL.target, CALL.body),
        Call(CALL.receiver, "PUT", CALL.target, CALL.body),
        Call(CALL.receiver, CALL.method, "/border/v1/details", CALL.body),
        Call(CALL.receiver, CALL.method, CALL.target, CALL.body + b" "),
        Call(CALL.receiver, CALL.method, CALL.target, CALL.body, "frankfurt"),
        Call(CALL.receiver, CALL.method, CALL.target, CALL.body, key="another"),
    ],
)
def test_a_token_is_good_for_its_call_alone(other):
    """At the other call, and the other's token here."""
    with pytest.raises(Unauthenticated):
        sender(issued(), other)
    with pytest.raises(Unauthenticated):
        sender(issued(other))


@pytest.mark.parametrize(("later_s", "good"), [(-31, False), (-30, True), (0, True), (30, True), (31, False)])
def test_clocks_may_differ_by_thirty_seconds(later_s, good):
    """Either way."""
    if good:
        assert sender(issued(), now_s=NOW_S + later_s) == "lisbon"
    else:
        with pytest.raises(Unauthenticated):
            sender(issued(), now_s=NOW_S + later_s)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW_S + 30 * 365 * 86_400},
        {"exp": NOW_S + 61},
        {"exp": NOW_S},
        {"exp": float("inf")},
        {"exp": float(NOW_S + 60)},
        {"exp": True},
        {"exp": str(NOW_S + 60)},
        {"iat": float("nan")},
        {"iat": str(NOW_S)},
        {"iat": [NOW_S]},
        {"aud": ["eu-west"]},
        {"aud": ["eu-west", "us-central"]},
        {"iss": "sydney"},
        {"iss": ["lisbon"]},
        *({claim: None} for claim in ("iss", "iat", "exp", "aud", "htm", "htu", "body", "presenter", "key")),
    ],
    ids=str,
)
def test_each_claim_is_checked(changes):
    """Though the signature is right."""
    assert sender(changed()) == "lisbon"
    with pytest.raises(Unauthenticated):
        sender(changed(**changes))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_no_other_algorithm_is_accepted(algorithm):
    """Neither an unsigned token, nor one whose secret is the public key."""
    claims = jwt.decode(issued(), options={"verify_signature": False})
    secret = LISTED["lisbon"]["k1"] if algorithm == "HS256" else None
    with pytest.raises(Unauthenticated):
        sender(jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": "k1"}))


@pytest.mark.parametrize("kid", ["k2", "", "k1/", None, 1, ["k1"]])
def test_an_unknown_key_is_refused(kid):
    """Whatever its id is."""
    head = {"alg": "EdDSA", "typ": "JWT", "kid": kid}
    encoded = base64.urlsafe_b64encode(json.dumps(head).encode()).rstrip(b"=").decode()
    _, claims, signature = issued().split(".")
    with pytest.raises(Unauthenticated):
        sender(f"{encoded}.{claims}.{signature}")


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,90}\.[A-Za-z0-9_-]{0,90}"))
def test_any_other_text_is_refused(text):
    """Without another error."""
    with pytest.raises(Unauthenticated):
        sender(text)


@given(st.data())
def test_no_altered_token_is_accepted(data):
    """One character is another."""
    token = issued()
    at = data.draw(st.integers(0, len(token) - 1))
    altered = token[:at] + data.draw(st.sampled_from("ABab09-_.")) + token[at + 1 :]
    try:
        assert sender(altered) == "lisbon"
        # The last character of a part has bits that mean nothing (RFC 4648 section 3.5).
        assert [_decoded(part) for part in altered.split(".")] == [_decoded(part) for part in token.split(".")]
    except Unauthenticated:
        assert altered != token


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_every_refusal_is_the_same():
    """So that it tells an attacker nothing."""
    texts = set()
    for token in ("", "x", "é", "x" * 3000, changed(exp=NOW_S), changed(iss="oslo"), issued(at_s=NOW_S + 90)):
        with pytest.raises(Unauthenticated) as refusal:
            sender(token)
        texts.add(refusal.value.detail)
    assert len(texts) == 1


def test_a_node_signs_with_the_oldest_key_that_is_listed():
    """A new key can be rolled out before it is used, and the old one taken out without a pause."""
    old, new = node_key("lisbon"), node_key("lisbon-2")
    listed = {"k1": keys.public_text(old.public_key())}
    signer = NodeSigner("lisbon", {"k1": old, "k2": new}, lambda: listed, lambda: NOW_S)
    used = []
    for each in ({"k1"}, {"k1", "k2"}, {"k2"}):
        listed = {"k1": keys.public_text(old.public_key()), "k2": keys.public_text(new.public_key())}
        listed = {key_id: key for key_id, key in listed.items() if key_id in each}
        token = signer.token(CALL)
        assert node_tokens.sender(token, CALL, lambda name, listed=listed: listed, NOW_S) == "lisbon"
        used.append(jwt.get_unverified_header(token)["kid"])
    assert used == ["k1", "k1", "k2"]
