"""Placement under the shipped policy."""

from dataclasses import replace
from pathlib import Path

import pytest

from regions import ids
from regions.errors import Unprocessable
from regions.records import Photo, Status, Variant
from regions.residency import parsing
from regions.residency.decide import UNREADABLE
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, raw_key, variant_key
from regions.topology import Place
from replication.placement import expected_objects, placement_of

SHIPPED = parsing.parse(Path("deploy/policy.yaml").read_text(), "policy.yaml")
NOW_MS = 1_900_000_000_000
EU_WEST, EU_CENTRAL = Place("eu-west", "region", "EU"), Place("eu-central", "region", "EU")
US_CENTRAL = Place("us-central", "region", "US")
PHOTO_ID = ids.to_public(ids.PHOTO, 1 << 30)
EUROPEAN = Photo(
    PHOTO_ID, ids.to_public(ids.USER, 1), "eu", "eu-west", Status.READY, "", 9, "ab" * 32, 1, "image/png",
    variants=(Variant(150, 150, 100, 5, "cd" * 32), Variant(320, 320, 213, 8, "ef" * 32)),
)  # fmt: skip
AMERICAN = replace(EUROPEAN, residency_class="world", home_region="us-central")


def keys(photo: Photo, place: Place) -> set[tuple[str, str]]:
    return {(one.bucket, one.key) for one in expected_objects(photo, placement_of(SHIPPED, photo, place, NOW_MS))}


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
def test_the_policy_decides_which_objects_are_stored_where(photo, place, expected):
    """A European photo stays in the EU; an American raw stays off the expensive disks of eu-west."""
    assert keys(photo, place) == expected


def test_a_reference_to_a_european_photo_may_go_where_the_photo_may_not():
    """So followers everywhere see it in their feeds."""
    placement = placement_of(SHIPPED, EUROPEAN, US_CENTRAL, NOW_MS)
    assert placement.reference.allowed
    assert not placement.metadata.allowed


def test_without_a_policy_nothing_is_placement():
    """And each decision gives the reason."""
    placement = placement_of(None, EUROPEAN, EU_CENTRAL, NOW_MS)
    assert not expected_objects(EUROPEAN, placement)
    assert {decision.rule for decision in (*placement.at_rest.values(), placement.reference)} == {UNREADABLE}


def test_an_object_is_expected_as_the_photo_records_it():
    """Checksums and sizes are those in the photo's record; variants may be cached forever."""
    small, _, raw = expected_objects(EUROPEAN, placement_of(SHIPPED, EUROPEAN, EU_CENTRAL, NOW_MS))
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
def test_a_variant_is_expected_under_its_name_and_with_the_type_of_its_format(recipe, format, name, content_type):
    """Of every recipe, and also of a format that only a newer version knows."""
    photo = replace(EUROPEAN, variants=(Variant(320, 320, 213, 8, "ef" * 32, recipe, format),))
    variant, _ = expected_objects(photo, placement_of(SHIPPED, photo, EU_CENTRAL, NOW_MS))
    assert (variant.key, variant.content_type) == (variant_key(PHOTO_ID, name), content_type)


def test_a_raw_without_a_recorded_checksum_is_an_error():
    """Because a copy of it could not be verified."""
    photo = replace(EUROPEAN, sha256=None)
    with pytest.raises(Unprocessable, match="no recorded SHA-256"):
        expected_objects(photo, placement_of(SHIPPED, photo, EU_CENTRAL, NOW_MS))
