"""Details from another region: only what was requested, and only within bounds, is accepted."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from origin.border import details
from regions.errors import BadGateway
from regions.records import Photo, Status

PHOTO_ID, OWNER_ID = "p_00000000001", "u_00000000002"
PHOTO = Photo(
    PHOTO_ID, OWNER_ID, "eu", "eu-west", Status.READY, "The harbour", 9, "ab" * 32, 1_700_000_000_000,
    width=4000, height=2000, taken_at="2024-05-01T10:00:00", camera="Leica", perceptual_hash="ff00",
)  # fmt: skip


def read(items, gone=()):
    return details.incoming(json.dumps({"items": items, "gone": list(gone)}).encode(), [PHOTO_ID], "eu-west")


def test_details_contain_what_a_feed_shows():
    """And not the camera, the hashes or the time of taking."""
    [photo] = read([details.outgoing(PHOTO)]).photos
    assert (photo.caption, photo.width, photo.created_at_ms) == ("The harbour", 4000, 1_700_000_000_000)
    assert (photo.owner_id, photo.residency_class, photo.home_region) == (OWNER_ID, "eu", "eu-west")
    assert (photo.camera, photo.taken_at, photo.sha256, photo.perceptual_hash) == (None, None, None, None)


def test_only_requested_photos_can_be_gone():
    assert read([], [PHOTO_ID, "p_00000000009", 7, None]).gone == [PHOTO_ID]


@pytest.mark.parametrize(
    "wrong",
    [
        {"owner_id": "p_00000000001"}, {"owner_id": 7}, {"owner_id": "u_" + "0" * 5000},
        {"caption": ["a"]}, {"caption": "a" * 2201}, {"caption": None},
        {"residency_class": "e" * 81}, {"residency_class": []},
        {"created_at_ms": "now"}, {"created_at_ms": -1}, {"created_at_ms": 10**20}, {"created_at_ms": True},
        {"width": 1.5}, {"height": -1}, {"height": 1 << 40},
        {"recipe": 0}, {"recipe": 10_000}, {"recipe": "2"}, {"recipe": True}, {"recipe": None},
    ],
)  # fmt: skip
def test_details_out_of_bounds_are_rejected(wrong):
    """BadGateway, as if the home had not responded."""
    with pytest.raises(BadGateway):
        read([details.outgoing(PHOTO) | wrong])


def test_details_of_a_home_of_an_older_version_are_of_recipe_1():
    """It does not send the recipe."""
    newer = details.outgoing(replace(PHOTO, recipe=2))
    older = {name: value for name, value in newer.items() if name != "recipe"}
    assert [photo.recipe for photo in read([newer]).photos + read([older]).photos] == [2, 1]


@given(st.sampled_from(sorted(details.outgoing(PHOTO).keys() - {"recipe"})))
def test_details_without_a_field_are_rejected(name):
    """Every other field is required."""
    with pytest.raises(BadGateway):
        read([{key: value for key, value in details.outgoing(PHOTO).items() if key != name}])
