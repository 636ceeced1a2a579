"""What is offered under the shipped policy, and what is recorded of the answer."""

from dataclasses import replace

import pytest

from regions import ids
from regions.border.offers import AnsweredObject, ObjectState
from regions.errors import Unprocessable
from regions.records import Photo, Status, Variant
from regions.residency.decide import subject_of
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, raw_key, variant_key
from replication.placement import AT_REST, offer_of, replica_of
from tests.builders.statements import Compliance

SHIPPED = Rules(Compliance().states(), (), leased=True)
EU_WEST, EU_CENTRAL, US_CENTRAL = "eu-west", "eu-central", "us-central"
PHOTO_ID = ids.to_public(ids.PHOTO, 1 << 30)
EUROPEAN = Photo(
    PHOTO_ID, ids.to_public(ids.USER, 1), "eu", "eu-west", Status.READY, "", 9, "ab" * 32, 1, "image/png",
    variants=(Variant(150, 150, 100, 5, "cd" * 32), Variant(320, 320, 213, 8, "ef" * 32)),
)  # fmt: skip
AMERICAN = replace(EUROPEAN, residency_class="world", home_region="us-central")


def decisions_about(photo: Photo, place: str, rules: Rules = SHIPPED):
    return {action: rules.decide(subject_of(photo), action, place) for action in (*AT_REST, Action.REFERENCE)}


def keys(photo: Photo, place: str) -> set[tuple[str, str]]:
    return {(one.bucket, one.key(PHOTO_ID)) for one in offer_of(photo, decisions_about(photo, place)).objects}


EVERY_VARIANT = {(VARIANTS, variant_key(PHOTO_ID, "150.jpg")), (VARIANTS, variant_key(PHOTO_ID, "320.jpg"))}


@pytest.mark.parametrize(
    ("photo", "place", "expected"),
    [
        (EUROPEAN, EU_CENTRAL, {(RAW, raw_key(PHOTO_ID)), *EVERY_VARIANT}),
        (EUROPEAN, US_CENTRAL, set()),
        (AMERICAN, EU_WEST, EVERY_VARIANT),
        (AMERICAN, EU_CENTRAL, {(RAW, raw_key(PHOTO_ID)), *EVERY_VARIANT}),
    ],
)
def test_the_policy_decides_which_objects_are_offered_where(photo, place, expected):
    """A European photo stays in the EU; an American raw stays off the expensive disks of eu-west."""
    assert keys(photo, place) == expected


def test_a_reference_to_a_european_photo_may_go_where_the_photo_may_not():
    """So followers everywhere see it in their feeds."""
    offer = offer_of(EUROPEAN, decisions_about(EUROPEAN, US_CENTRAL))
    assert offer.reference is not None
    assert offer.metadata is None


def test_without_a_statement_nothing_is_offered():
    assert offer_of(EUROPEAN, decisions_about(EUROPEAN, EU_CENTRAL, Rules(None, (), leased=True))).is_empty
    assert offer_of(EUROPEAN, {}).is_empty


def test_an_object_is_offered_as_the_photo_records_it():
    """Checksums and sizes are those in the photo's record; variants may be cached forever."""
    small, _, raw = offer_of(EUROPEAN, decisions_about(EUROPEAN, EU_CENTRAL)).objects
    assert (small.sha256, small.size_bytes, small.cache_control) == ("cd" * 32, 5, IMMUTABLE)
    assert (raw.sha256, raw.size_bytes, raw.content_type) == ("ab" * 32, 9, "image/png")


@pytest.mark.parametrize(
    ("recipe", "format", "name", "content_type"),
    [
        (1, "jpg", "320.jpg", "image/jpeg"),
        (2, "avif", "320.v2.avif", "image/avif"),
        (1, "jxl", "320.jxl", "application/octet-stream"),
    ],
)
def test_a_variant_is_offered_under_its_name_and_with_the_type_of_its_format(recipe, format, name, content_type):
    """Of every recipe, and also of a format that only a newer version knows."""
    photo = replace(EUROPEAN, variants=(Variant(320, 320, 213, 8, "ef" * 32, recipe, format),))
    variant, _ = offer_of(photo, decisions_about(photo, EU_CENTRAL)).objects
    assert (variant.key(PHOTO_ID), variant.content_type) == (variant_key(PHOTO_ID, name), content_type)


def test_a_raw_is_never_served_as_a_type_that_nobody_may_upload():
    photo = replace(EUROPEAN, content_type="text/html")
    *_, raw = offer_of(photo, decisions_about(photo, EU_CENTRAL)).objects
    assert raw.content_type == "application/octet-stream"


def test_a_raw_without_a_recorded_checksum_is_an_error():
    """Because a copy of it could not be verified."""
    photo = replace(EUROPEAN, sha256=None)
    with pytest.raises(Unprocessable, match="no recorded SHA-256"):
        offer_of(photo, decisions_about(photo, EU_CENTRAL))


S, M, D = ObjectState.STORED, ObjectState.MISSING, ObjectState.DENIED


@pytest.mark.parametrize(
    ("states", "recorded"),
    [
        ((S, S, S), (True, True, 0)),
        ((S, S, M), (False, True, 1)),
        ((S, M, S), (True, False, 1)),
        ((M, M, M), (False, False, 3)),
        ((S, S, D), (False, True, 0)),
        ((D, D, D), (False, False, 0)),
    ],
)
def test_a_replica_is_recorded_as_it_was_found(states, recorded):
    """Also one that is partly there: what is missing will be sent, and what is denied will not."""
    decisions = decisions_about(EUROPEAN, EU_CENTRAL)
    offer = offer_of(EUROPEAN, decisions)
    answered = {
        one.variant: AnsweredObject(state, "policy.yaml:1", "")
        for one, state in zip(offer.objects, states, strict=True)
    }
    replica = replica_of(offer, decisions, answered, EU_CENTRAL, 7)
    assert (replica.raw, replica.variants, replica.missing) == recorded
    assert (replica.region, replica.at_ms) == (EU_CENTRAL, 7)


def test_where_neither_raw_nor_variants_may_rest_there_is_no_replica():
    decisions = decisions_about(EUROPEAN, US_CENTRAL)
    assert replica_of(offer_of(EUROPEAN, decisions), decisions, {}, US_CENTRAL, 7) is None
