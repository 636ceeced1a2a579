"""The demo's claims are checked against an observation, and each can fail."""

import dataclasses

import pytest

from darkroom.demo.checks import COMPLETE, ImageObservation, Observation, cell, checks, flaw_of, has_spread, is_hit
from darkroom.operate.stored_copy import StoredCopy
from processing.imaging.recipe import RECIPE
from regions.image_limits import VARIANT_SIZES
from regions.variant_names import variant_name

EU, US = "p_00000000001", "p_00000000002"
JURISDICTIONS = {"eu-west": "EU", "eu-central": "EU", "us-central": "US", "lisbon": "EU", "chicago": "US"}
HIT, MISS = "us-central; fwd=miss, chicago; hit", "lisbon; hit, chicago; fwd=miss; stored=?0"


def complete(place: str) -> list[StoredCopy]:
    return [StoredCopy(place, what, 1000, True, "policy.yaml:24") for what in COMPLETE]


def good() -> Observation:
    return Observation(
        eu_photos=[EU],
        us_photos=[US],
        feed=[EU],
        images=[ImageObservation(EU, "640", "", MISS, MISS), ImageObservation(US, "640", "", MISS, HIT)],
        stored_copies={
            EU: complete("eu-west") + complete("eu-central"),
            US: complete("us-central") + complete("eu-central"),
        },
    )


def test_a_complete_region_stores_what_the_photo_job_makes():
    """The raw, and a JPEG of the current recipe in each size."""
    assert ("raw", *(f"variant {variant_name(size, RECIPE, 'jpg')}" for size in VARIANT_SIZES)) == COMPLETE


def failed_claims(observed: Observation) -> list[str]:
    return [check.claim for check in checks(observed, JURISDICTIONS) if not check.held]


def test_every_claim_holds_after_a_good_run():
    """The copies have spread as well."""
    assert failed_claims(good()) == []
    assert has_spread(good())


STRAY = StoredCopy("chicago", "cached 640.jpg (disk)", 1000, True, "policy.yaml:46")
FORBIDDEN = StoredCopy("lisbon", "cached 640.jpg (disk)", 1000, False, "policy.yaml:24")


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"rejected": {EU: "truncated"}}, "Every photo is ready"),
        ({"us_photos": []}, "There are photos of both people"),
        ({"feed": []}, "The follower's feed has each photo once"),
        ({"feed": [EU, EU]}, "The follower's feed has each photo once"),
        (
            {"images": [ImageObservation(EU, "640", "contains EXIF", MISS, MISS)]},
            "Every image is a JPEG without metadata",
        ),
        ({"images": [ImageObservation(EU, "640", "", MISS, HIT)]}, "An edge caches exactly the images that it may"),
        ({"images": [ImageObservation(US, "640", "", MISS, MISS)]}, "An edge caches exactly the images that it may"),
        (
            {"stored_copies": {**good().stored_copies, EU: [*good().stored_copies[EU], STRAY]}},
            "EU photos are stored only in the EU",
        ),
        (
            {"stored_copies": {**good().stored_copies, EU: [*good().stored_copies[EU], FORBIDDEN]}},
            "A rule of the policy allows every stored byte",
        ),
        (
            {"stored_copies": {**good().stored_copies, EU: complete("eu-west")}},
            "Both EU regions store EU photos",
        ),
        (
            {"stored_copies": {**good().stored_copies, US: complete("us-central")}},
            "Two regions store US photos",
        ),
    ],
)
def test_each_claim_can_fail(change, claim):
    """The problem is found, even if it contradicts other claims as well."""
    assert any(failed.startswith(claim) for failed in failed_claims(dataclasses.replace(good(), **change)))


def test_a_rejected_photo_contradicts_only_one_claim():
    """The other claims do not require that it is in a feed or stored anywhere."""
    observed = dataclasses.replace(good(), eu_photos=[EU, "p_00000000003"], rejected={"p_00000000003": "truncated"})
    assert failed_claims(observed) == ["Every photo is ready"]


def test_only_the_nearest_cache_counts_as_a_hit():
    """A hit at the shield is still a miss at the user's edge (RFC 9211 section 2)."""
    assert is_hit(HIT)
    assert is_hit("chicago; hit; ttl=30")
    assert not is_hit(MISS)
    assert not is_hit("none")


def test_a_cell_shows_what_one_place_stores_of_a_photo():
    """Each image counts once, even if an edge has it in memory and on disk; a copy that is forbidden stands out."""
    cached = ["cached 150.jpg (memory)", "cached 150.jpg (disk)", "cached 320.jpg (disk)"]
    assert cell([StoredCopy("lisbon", what, 1000, True, "") for what in cached]) == "2v\n2.0 kB"
    assert cell(complete("eu-west")).startswith("raw 4v\n")
    assert cell([StoredCopy("sydney", "raw", 5, False, "")]) == "✗ raw\n5 bytes"
    assert cell([]) == "–"
    record = StoredCopy("us-central", "record", None, False, "")
    assert cell([record]) == "✗ record"
    assert cell([dataclasses.replace(record, allowed=True)]) == "–"


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (b"\xff\xd8 \xff\xd9", ""),
        (b"\xff\xd8 ", "is not a complete JPEG"),
        (b"\x89PNG", "is not a complete JPEG"),
        (b"", "is not a complete JPEG"),
        (b"\xff\xd8\xff\xe1\x00\x20Exif\0\0 \xff\xd9", "contains EXIF"),
        (b"\xff\xd8\xff\xe1http://ns.adobe.com/xap/1.0/\0 \xff\xd9", "contains XMP"),
        (b"\xff\xd8\xff\xedPhotoshop 3.0\0 \xff\xd9", "contains IPTC"),
    ],
)
def test_an_image_with_metadata_is_flawed(data, flaw):
    """Viewers must get complete JPEGs without EXIF, XMP and IPTC."""
    assert flaw_of(data) == flaw
