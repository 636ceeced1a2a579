"""A statement counts if enough of the signers have signed exactly its text, and its text is exactly understood."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions import keys
from regions.errors import StatementError
from regions.residency import signatures
from regions.residency.statement import Signers
from tests.builders.statements import DEPLOYED, Compliance, place

TEAM = Compliance(team=3, threshold=2)
STATEMENT = TEAM.states()


def resigned(text: str) -> str:
    return TEAM.signed(text)


def test_two_of_three_are_enough_and_one_is_not():
    """Any two."""
    assert signatures.verify(TEAM.signed(STATEMENT.text, 2), TEAM.signers).hash == STATEMENT.hash
    assert signatures.verify(TEAM.signed(STATEMENT.text, 3), TEAM.signers).hash == STATEMENT.hash
    with pytest.raises(StatementError, match="1 valid signatures of the 2"):
        signatures.verify(TEAM.signed(STATEMENT.text, 1), TEAM.signers)


def test_one_key_counts_once_whatever_it_is_called():
    """Also for signers who were read from somewhere that lists the key twice."""
    one = signatures.sign(STATEMENT.text, "officer-1", TEAM.private["officer-1"])
    twice = signatures.sign(STATEMENT.text, "officer-2", TEAM.private["officer-1"], signatures.unpack(one)[1])
    with pytest.raises(StatementError):
        signatures.verify(twice, TEAM.signers)
    key = TEAM.signers.keys["officer-1"]
    with pytest.raises(StatementError):
        signatures.verify(twice, Signers(2, {"officer-1": key, "officer-2": key}))


def test_a_key_that_is_no_signers_counts_nothing():
    """Neither under a signer's name nor under its own."""
    stranger = Ed25519PrivateKey.generate()
    for name in ("officer-2", "stranger"):
        one = signatures.sign(STATEMENT.text, "officer-1", TEAM.private["officer-1"])
        both = signatures.sign(STATEMENT.text, name, stranger, signatures.unpack(one)[1])
        with pytest.raises(StatementError):
            signatures.verify(both, TEAM.signers)


@pytest.mark.parametrize("edit", [lambda text: text + " ", lambda text: text.replace("60", "61"), str.upper])
def test_a_text_that_was_edited_is_not_signed(edit):
    """Not even by a space."""
    document = json.loads(STATEMENT.signed)
    document["statement"] = edit(document["statement"])
    with pytest.raises(StatementError):
        signatures.verify(json.dumps(document), TEAM.signers)


def test_a_signature_for_something_else_does_not_count():
    """What is signed begins with what it is."""
    plain = {name: keys.to_base64(key.sign(STATEMENT.text.encode())) for name, key in TEAM.private.items()}
    with pytest.raises(StatementError):
        signatures.verify(json.dumps({"statement": STATEMENT.text, "signatures": plain}), TEAM.signers)


@pytest.mark.parametrize("spelling", [lambda one: one + "=", lambda one: one + "A", lambda one: one[:-2], lambda _: ""])
def test_a_signature_has_one_spelling(spelling):
    """Otherwise it is none."""
    document = json.loads(STATEMENT.signed)
    document["signatures"] = {name: spelling(one) for name, one in document["signatures"].items()}
    with pytest.raises(StatementError):
        signatures.verify(json.dumps(document), TEAM.signers)


SIGNED = {
    "empty": "",
    "null": "null",
    "a list": "[]",
    "a text": '"x"',
    "a number": "1",
    "no statement": '{"signatures": {}}',
    "no signatures": '{"statement": ""}',
    "a statement that is none": '{"statement": 1, "signatures": {}}',
    "a list of signatures": '{"statement": "", "signatures": []}',
    "a signature that is no text": '{"statement": "", "signatures": {"a": 1}}',
    "a long signature": '{"statement": "", "signatures": {"a": "%s"}}' % ("x" * 101),
    "one thing more": '{"statement": "", "signatures": {}, "more": 1}',
    "two statements": '{"statement": "", "statement": "", "signatures": {}}',
    "a lone surrogate": '{"statement": "\\ud800", "signatures": {}}',
    "deep": "[" * 100_000,
    "deep objects": '{"a":' * 50_000,
    "a huge number": '{"statement": "", "signatures": %s}' % ("1" * 10_000),
    "huge": " " * (signatures.MAX_CHARS + 1),
    "NaN": "NaN",
}


@pytest.mark.parametrize("signed", SIGNED.values(), ids=SIGNED.keys())
def test_what_is_no_signed_statement_is_refused(signed):
    """With a StatementError, and nothing else."""
    for read in (lambda text: signatures.verify(text, TEAM.signers), signatures.read_kept, signatures.previous_of):
        with pytest.raises(StatementError):
            read(signed)


def changed(**fields) -> str:
    return json.dumps({**json.loads(STATEMENT.text), **fields})


def place_changed(name: str, **fields) -> str:
    places = json.loads(STATEMENT.text)["places"]
    return changed(places={**places, name: {**places[name], **fields}})


KEY = keys.public_text(Ed25519PrivateKey.generate().public_key())
TEXTS = {
    "format 2": changed(format=2),
    "format true": changed(format=True),
    "an unknown field": changed(extra=1),
    "serial 0": changed(serial=0),
    "a serial that is a fraction": changed(serial=1.5),
    "a serial that is true": changed(serial=True),
    "a serial that is NaN": STATEMENT.text.replace('"serial": 1', '"serial": NaN'),
    "a serial that is infinite": STATEMENT.text.replace('"serial": 1', '"serial": 1e999'),
    "two serials": STATEMENT.text.replace('"serial": 1', '"serial": 1, "serial": 2'),
    "a second with none before": changed(serial=2),
    "a first with one before": changed(previous="0" * 64),
    "a hash that is none": changed(serial=2, previous="0" * 63),
    "no lease": changed(lease_s=0),
    "a lease of an hour": changed(lease_s=3600),
    "because of nothing readable": changed(because="\ud800"),
    "a long because": changed(because="x" * 2001),
    "no signers": changed(signers={"threshold": 1, "keys": {}}),
    "a threshold of 0": changed(signers={"threshold": 0, "keys": {"a": KEY}}),
    "more than there are": changed(signers={"threshold": 2, "keys": {"a": KEY}}),
    "one signer twice": changed(signers={"threshold": 2, "keys": {"a": KEY, "b": KEY}}),
    "a key that is none": changed(signers={"threshold": 1, "keys": {"a": "x"}}),
    "operators in a list": changed(operators=[]),
    "an operator's role in an object": changed(operators={"a": {"roles": {"operator": 1}, "key": KEY}}),
    "an unknown role": changed(operators={"a": {"roles": ["king"], "key": KEY}}),
    "no places": changed(places={}),
    "a place of no kind": place_changed("lisbon", kind="moon"),
    "a place of a strange name": changed(places={"../x": json.loads(STATEMENT.text)["places"]["sydney"]}),
    "an edge with a number": place_changed("lisbon", number=1),
    "two regions of one number": place_changed("eu-west", number=2),
    "a region's number out of range": place_changed("eu-west", number=64),
    "a region without shield": place_changed("lisbon", shield_of="us-central"),
    "a shield of nobody": place_changed("sydney", shield_of="moon"),
    "a place without keys": place_changed("lisbon", keys={}),
    "a key of an unknown purpose": place_changed("lisbon", keys={"fun": {"k1": KEY}}),
    "a key of two purposes": place_changed("lisbon", keys={"node": {"k1": KEY}, "urls": {"k1": KEY}}),
    "a URL that is none": place_changed("lisbon", url="file:///etc/passwd"),
    "a policy that is no text": changed(policy={}),
    "a broken policy": changed(policy="a: ["),
    "a policy with a lone surrogate": changed(policy="a: \ud800"),
    "a policy of an unknown place": STATEMENT.text.replace("at: [eu-west]", "at: [eu-wset]"),
    "deep": '{"format":' * 50_000,
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_what_is_not_exactly_understood_is_refused_although_it_is_signed(text):
    """By all of the team."""
    assert text != STATEMENT.text
    with pytest.raises(StatementError):
        signatures.verify(resigned(text), TEAM.signers)


@pytest.mark.parametrize("incarnation", [1, 2])
def test_a_place_keeps_one_of_its_keys_unless_it_is_built_anew(incarnation):
    """Nobody would know it until the change is in force, and it could not hear of that."""
    team = Compliance()
    first = team.states()
    rekeyed = replace(place("eu-central", number=2), keys=place("another").keys, incarnation=incarnation)
    places = [rekeyed if one.name == "eu-central" else one for one in DEPLOYED]
    if incarnation == 1:
        with pytest.raises(StatementError, match="eu-central keeps none of its keys"):
            team.states(places=places, previous=first)
    else:
        assert team.states(places=places, previous=first).serial == 2


def test_a_key_of_another_officer_has_another_name():
    """So that it is clear whose signature is missing."""
    with pytest.raises(StatementError, match="officer-1 had another key before"):
        TEAM.states(previous=STATEMENT, following=Compliance())
