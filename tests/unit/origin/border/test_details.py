"""Details from another region: only what was requested, and only within bounds, is accepted."""

import json
from dataclasses import fields, replace

import pytest

from origin.border import details
from regions import ids
from regions.errors import BadGateway
from regions.records import PhotoSummary, Status

PHOTO_ID, OWNER_ID = "p_00000000001", "u_00000000002"
PHOTO = PhotoSummary(
    PHOTO_ID, OWNER_ID, "eu", "eu-west", 1_700_000_000_000, Status.READY, "The harbour", 4000, 2000, recipe=2
)
REQUIRED = ["photo_id", "owner_id", "residency_class", "caption", "created_at_ms"]


def read(items, gone=()):
    return details.incoming(json.dumps({"items": items, "gone": list(gone)}).encode(), [PHOTO_ID], "eu-west")


def without(name):
    return {key: value for key, value in details.outgoing(PHOTO).items() if key != name}


def test_details_contain_all_that_a_feed_shows():
    """A field that `PhotoSummary` gets must be among them: one that isn't would be shown of local photos only."""
    assert read([details.outgoing(PHOTO)]).photos == [PHOTO]
    assert {*details.outgoing(PHOTO), "home_region", "status"} == {field.name for field in fields(PhotoSummary)}


def test_only_requested_photos_can_be_gone():
    assert read([], [PHOTO_ID, "p_00000000009", 7, None]).gone == [PHOTO_ID]


@pytest.mark.parametrize(
    "wrong",
    [
        {"owner_id": "p_00000000001"}, {"owner_id": 7}, {"owner_id": "u_" + "0" * 5000},
        {"owner_id": ids.to_public(ids.USER, ids.compose(ids.Snowflake(ids.EPOCH_MS, 5, 0, 0)))},
        {"caption": "a\u202eb"}, {"placeholder": "%%%"}, {"caption": ["a"]}, {"caption": "a" * 2201}, {"caption": None},
        {"residency_class": "e" * 81}, {"residency_class": []},
        {"created_at_ms": "now"}, {"created_at_ms": -1}, {"created_at_ms": 10**20}, {"created_at_ms": True},
        {"created_at_ms": 253_402_300_799_999},
        {"visibility": "public\0"}, {"width": 1.5}, {"height": -1}, {"height": 1 << 40},
        {"recipe": 0}, {"recipe": 10_000}, {"recipe": "2"}, {"recipe": True}, {"recipe": None},
    ],
)  # fmt: skip
def test_details_out_of_bounds_are_rejected(wrong):
    """BadGateway, as if the home had not responded."""
    with pytest.raises(BadGateway):
        read([details.outgoing(PHOTO) | wrong])


@pytest.mark.parametrize("name", REQUIRED)
def test_details_without_a_required_field_are_rejected(name):
    """Required is what has no default."""
    with pytest.raises(BadGateway):
        read([without(name)])


@pytest.mark.parametrize("name", sorted(details.outgoing(PHOTO).keys() - REQUIRED))
def test_a_field_that_an_older_program_does_not_send_gets_its_default(name):
    """Each region is updated on its own."""
    default = next(field.default for field in fields(PhotoSummary) if field.name == name)
    assert read([without(name)]).photos == [replace(PHOTO, **{name: default})]


def test_fields_of_a_newer_program_are_ignored():
    """And so are those which the home region may not determine."""
    newer = {"colour": "blue", "status": "failed", "home_region": "us-central", "camera": "Leica"}
    assert read([details.outgoing(PHOTO) | newer]).photos == [PHOTO]
