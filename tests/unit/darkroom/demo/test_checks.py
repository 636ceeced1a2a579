"""The demo's claims are judged by what was seen, and each can fail."""

import dataclasses

import pytest

from darkroom.demo.checks import WHOLE, ImageObservation, Observation, checks, flaw_of, has_spread, in_short, is_hit
from darkroom.operate.where import StoredCopy

EU, US = "p_00000000001", "p_00000000002"
JURISDICTIONS = {"eu-west": "EU", "eu-central": "EU", "us-central": "US", "lisbon": "EU", "chicago": "US"}
HIT, MISS = "us-central; fwd=miss, chicago; hit", "lisbon; hit, chicago; fwd=miss; stored=?0"


def whole(place: str) -> list[StoredCopy]:
    return [StoredCopy(place, what, 1000, True, "policy.yaml:24") for what in WHOLE]


def good() -> Observation:
    return Observation(
        eu_photos=[EU],
        us_photos=[US],
        feed=[EU],
        image_observations=[ImageObservation(EU, "640", "", MISS, MISS), ImageObservation(US, "640", "", MISS, HIT)],
        stored_copies={EU: whole("eu-west") + whole("eu-central"), US: whole("us-central") + whole("eu-central")},
    )


def broken(seen: Observation) -> list[str]:
    return [check.claim for check in checks(seen, JURISDICTIONS) if not check.held]


def test_a_good_run_holds_every_claim():
    """Nothing is found wrong, and the copies have spread."""
    assert broken(good()) == []
    assert has_spread(good())


STRAY = StoredCopy("chicago", "cached 640 (disk)", 1000, True, "policy.yaml:46")
FORBIDDEN = StoredCopy("lisbon", "cached 640 (disk)", 1000, False, "policy.yaml:24")


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"refused": {EU: "truncated"}}, "Every photo is ready"),
        ({"us_photos": []}, "There are photos of both people"),
        ({"feed": []}, "The follower's feed has each photo once"),
        ({"feed": [EU, EU]}, "The follower's feed has each photo once"),
        (
            {"image_observations": [ImageObservation(EU, "640", "carries EXIF", MISS, MISS)]},
            "Every image is a JPEG that tells nothing",
        ),
        ({"image_observations": [ImageObservation(EU, "640", "", MISS, HIT)]}, "An edge keeps what it may"),
        ({"image_observations": [ImageObservation(US, "640", "", MISS, MISS)]}, "An edge keeps what it may"),
        (
            {"stored_copies": {**good().stored_copies, EU: [*good().stored_copies[EU], STRAY]}},
            "EU photos lie in the EU only",
        ),
        (
            {"stored_copies": {**good().stored_copies, EU: [*good().stored_copies[EU], FORBIDDEN]}},
            "A rule of the policy allows every byte",
        ),
        ({"stored_copies": {**good().stored_copies, EU: whole("eu-west")}}, "EU photos lie in both EU regions, whole"),
        ({"stored_copies": {**good().stored_copies, US: whole("us-central")}}, "US photos lie in two regions"),
    ],
)
def test_each_claim_can_fail(change, claim):
    """The one thing that is wrong is found, whatever else it breaks."""
    assert any(found.startswith(claim) for found in broken(dataclasses.replace(good(), **change)))


def test_a_photo_that_was_refused_breaks_one_claim_only():
    """It is in no feed and lies nowhere whole, which is nobody's fault."""
    seen = dataclasses.replace(good(), eu_photos=[EU, "p_00000000003"], refused={"p_00000000003": "truncated"})
    assert broken(seen) == ["Every photo is ready"]


def test_only_the_nearest_cache_counts_as_a_hit():
    """A hit at the shield is still a miss at the reader's edge (RFC 9211 section 2)."""
    assert is_hit(HIT)
    assert is_hit("chicago; hit; ttl=30")
    assert not is_hit(MISS)
    assert not is_hit("none")


def test_a_place_is_told_in_short():
    """Sizes are listed once, though they lie in memory and on disk."""
    cached = ["cached 150 (memory)", "cached 320 (memory)", "cached 320 (disk)", "cached 150 (disk)"]
    assert in_short([StoredCopy("lisbon", what, 1, True, "") for what in cached]) == "cached 150, 320"
    assert in_short(whole("eu-west")) == "raw; variant 150, 320, 640, 1080"


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (b"\xff\xd8 \xff\xd9", ""),
        (b"\xff\xd8 ", "is no whole JPEG"),
        (b"\x89PNG", "is no whole JPEG"),
        (b"", "is no whole JPEG"),
        (b"\xff\xd8\xff\xe1\x00\x20Exif\0\0 \xff\xd9", "carries EXIF"),
        (b"\xff\xd8\xff\xe1http://ns.adobe.com/xap/1.0/\0 \xff\xd9", "carries XMP"),
        (b"\xff\xd8\xff\xedPhotoshop 3.0\0 \xff\xd9", "carries IPTC"),
    ],
)
def test_an_image_with_metadata_is_flawed(data, flaw):
    """Whole JPEGs without EXIF, XMP and IPTC are what viewers get."""
    assert flaw_of(data) == flaw
