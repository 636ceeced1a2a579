"""An act is kept with the signature of the person, so that nobody can say that somebody else did it."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from regions import keys, operator_acts
from regions.operator_acts import Act
from regions.residency.statement import Operator, Role

PRIVATE = Ed25519PrivateKey.generate()
ACT = Act("ana", Role.MODERATOR, "known-bad set", "version 1", "eu-west", 1_800_000_000_000)


def listed(*roles: Role, private: Ed25519PrivateKey = PRIVATE) -> dict[str, Operator]:
    return {"ana": Operator(frozenset(roles), keys.public_text(private.public_key()))}


def test_an_act_says_who_did_it():
    """Whatever it is about."""
    for about in ("", "ü" * operator_acts.MAX_ABOUT_CHARS, 'a "quoted" line\n'):
        act = replace(ACT, about=about)
        signed = operator_acts.signed_text(act, PRIVATE)
        assert operator_acts.verified(signed, listed(Role.MODERATOR, Role.OPERATOR)) == act


def test_a_very_long_one_is_shortened():
    """So that it can always be kept."""
    signed = operator_acts.signed_text(replace(ACT, about="ü" * 100_000), PRIVATE)
    assert len(operator_acts.verified(signed, listed(Role.MODERATOR)).about) == operator_acts.MAX_ABOUT_CHARS


@pytest.mark.parametrize(
    "operators",
    [{}, listed(Role.OPERATOR), listed(), listed(Role.MODERATOR, private=Ed25519PrivateKey.generate())],
    ids=["nobody", "another role", "no role", "another key"],
)
def test_it_counts_only_if_the_statement_lists_the_operator_in_that_role(operators):
    """With that key."""
    with pytest.raises(ValueError, match="ana"):
        operator_acts.verified(operator_acts.signed_text(ACT, PRIVATE), operators)


@pytest.mark.parametrize("field", ["operator", "role", "command", "about", "region", "at_ms"])
def test_no_field_can_be_changed(field):
    """By somebody who can write to the settings."""
    document = json.loads(operator_acts.signed_text(ACT, PRIVATE))
    act = json.loads(document["act"])
    act[field] = 1 if field == "at_ms" else "auditor" if field == "role" else "eva"
    changed = json.dumps(document | {"act": json.dumps(act)})
    everybody = listed(*Role) | {"eva": listed(*Role)["ana"]}
    with pytest.raises(ValueError, match="signed"):
        operator_acts.verified(changed, {**everybody, "eva": replace(everybody["eva"], key=listed()["ana"].key)})


@pytest.mark.parametrize("about", ["version 1", "ü" * 100_000])
def test_its_record_counts_in_its_region_and_at_its_key_alone(about):
    """So that who can write to the settings can't copy it: what was done once was done once."""
    act = replace(ACT, about=about)
    key, signed = operator_acts.key_of(act), operator_acts.signed_text(act, PRIVATE)
    assert operator_acts.verified_at(key, signed, "eu-west", listed(*Role)).command == act.command
    later = operator_acts.key_of(replace(act, at_ms=act.at_ms + 1))
    for other in (f"{key}0", later, key[: -len(later.rpartition("-")[2])] + "0" * 16):
        with pytest.raises(ValueError, match="a copy"):
            operator_acts.verified_at(other, signed, "eu-west", listed(*Role))
    with pytest.raises(ValueError, match="did it in eu-west"):
        operator_acts.verified_at(key, signed, "us-central", listed(*Role))


@given(st.text(max_size=60) | st.recursive(st.none() | st.text(), lambda one: st.lists(one)).map(json.dumps))
def test_any_other_text_is_no_act(text):
    """Without another error."""
    with pytest.raises(ValueError, match="not the record"):
        operator_acts.verified(text, listed(*Role))
