"""Records keep their values through JSON; parts of an upload and times in the API."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import records
from regions.image_limits import VARIANT_SIZES
from regions.records import (
    Photo,
    PhotoSummary,
    Status,
    UnreadableRecord,
    User,
    Variant,
)
from regions.variant_names import CONTENT_TYPES, MAX_RECIPE

texts = st.text(max_size=20)
counts = st.integers(0, 1 << 60)
recipes = st.integers(1, MAX_RECIPE)
formats = st.sampled_from([*CONTENT_TYPES])
variants = st.builds(Variant, st.sampled_from(VARIANT_SIZES), counts, counts, counts, texts, recipes, formats)
photos = st.builds(
    Photo,
    photo_id=texts,
    owner_id=texts,
    residency_class=texts,
    home_region=texts,
    status=st.sampled_from(Status),
    caption=texts,
    size_bytes=counts,
    sha256=st.none() | texts,
    created_at_ms=counts,
    content_type=st.none() | texts,
    width=st.none() | counts,
    height=st.none() | counts,
    taken_at=st.none() | texts,
    camera=st.none() | texts,
    perceptual_hash=st.none() | texts,
    variants=st.lists(variants, max_size=4).map(tuple),
    reason=st.none() | st.builds(records.Reason, texts, texts),
    visibility=texts,
    recipe=recipes,
    location=st.none()
    | st.builds(records.Location, st.floats(-90, 90), st.floats(-180, 180), st.none() | st.just(2.5)),
    placeholder=st.none() | texts,
)

RECORDS = [
    User("u_1", "Ana", "PT", "eu", "eu-west", 1),
    records.Upload("p_1", "m", "a.jpg", 10, 5, 9),
    records.Comment("c_1", "p_1", "u_1", "text", 1),
    records.Replica("p_1", "eu-north", True, True, "policy.yaml:1", "v", 1),
    records.Tombstone("p_1", "u_1", 1),
    records.AuditEntry("p_1", "serve", "lisbon", True, "policy.yaml:1", "v", 1),
]


def test_a_replica_of_an_older_version_lacks_nothing():
    """Then only a copy that had everything was recorded."""
    older = {"photo_id": "p_1", "region": "eu-north", "raw": True, "variants": True, "rule": "policy.yaml:1"}
    text = json.dumps(older | {"policy_version": "v", "at_ms": 1})
    assert records.from_json_text(records.Replica, text).missing == 0


@given(photos)
def test_a_photo_goes_through_json_unchanged(photo):
    """Every field, also empty ones. The status is an enum again."""
    back = records.photo_from_json(json.loads(json.dumps(records.to_json(photo))))
    assert back == photo
    assert isinstance(back.status, Status)
    assert hash(back) == hash(photo)


@given(photos)
def test_a_photo_with_fields_of_a_newer_version_is_read(photo):
    """Also within its reason and its variants."""
    newer = records.to_json(photo) | {"colour": "blue"}
    newer["variants"] = [variant | {"colour": "blue"} for variant in newer["variants"]]
    for part in ("reason", "location"):
        newer[part] = newer[part] and newer[part] | {"colour": "blue"}
    assert records.from_json_text(Photo, json.dumps(newer)) == photo


@given(photos)
def test_a_summary_is_read_from_the_text_of_its_photo(photo):
    """So a catalog that stores photos as JSON need not store it twice."""
    summary = records.from_json_text(PhotoSummary, records.to_json_text(photo))
    assert summary == photo.summary()
    assert isinstance(summary.status, Status)


@given(photos)
def test_a_photo_of_an_older_version_is_for_everybody(photo):
    """It was written without a visibility."""
    older = records.to_json(photo)
    del older["visibility"]
    assert records.photo_from_json(older) == replace(photo, visibility="public")


@pytest.mark.parametrize("visibility", ["", "Public", "private", "friends", None])
def test_only_a_ready_photo_with_a_known_visibility_is_public(visibility):
    """With any other, only its owner may see it."""
    photo = Photo("p", "u", "eu", "eu-west", Status.READY, "", 1, None, 1)
    assert [replace(photo, status=status).is_public for status in Status] == [status == "ready" for status in Status]
    assert not records.photo_from_json(records.to_json(photo) | {"visibility": visibility}).is_public


def test_a_photo_of_an_older_version_is_of_recipe_1_and_its_variants_are_jpegs():
    """Its record has neither recipes nor formats."""
    photo = Photo("p", "u", "eu", "eu-west", Status.READY, "", 1, None, 1, variants=(Variant(640, 640, 480, 9, "ab"),))
    older = records.to_json(photo)
    for record, name in ((older, "recipe"), (older["variants"][0], "recipe"), (older["variants"][0], "format")):
        del record[name]
    assert records.photo_from_json(older) == photo
    assert [variant.name for variant in photo.variants] == ["640.jpg"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_with_fields_of_a_newer_version_is_read(record):
    """They are ignored."""
    newer = json.dumps(records.to_json(record) | {"colour": "blue"})
    assert records.from_json_text(type(record), newer) == record


@pytest.mark.parametrize(
    "change", [{"status": "sleeping"}, {"variants": None}, {"variants": [{}]}, {"reason": {"code": "x"}}]
)
def test_a_photo_with_a_field_of_another_form_is_unreadable(change):
    """As is one with a status that this version does not have."""
    photo = Photo("p", "u", "eu", "eu-west", Status.READY, "", 1, None, 1)
    with pytest.raises(UnreadableRecord):
        records.photo_from_json(records.to_json(photo) | change)


@pytest.mark.parametrize("text", ['{"status": "sleeping"}', '{"status": []}', '{"status": "ready"}'])
def test_a_text_without_the_fields_of_a_summary_is_unreadable(text):
    """As for a whole photo."""
    with pytest.raises(UnreadableRecord):
        records.from_json_text(PhotoSummary, text)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"user_id": "u_1"}', "[" * 200_000])
def test_any_other_text_is_unreadable(text):
    """And no other error is raised."""
    for kind in (Photo, User):
        with pytest.raises(UnreadableRecord):
            records.from_json_text(kind, text)


@given(st.integers(1, 10**9), st.integers(1, 10**8))
def test_the_parts_of_an_upload_add_up_to_its_size(size_bytes, part_size_bytes):
    """All but the last have the same size. The last is not larger, and not empty."""
    part_size_bytes = max(part_size_bytes, size_bytes // 1000)
    sizes = records.Upload("p", "m", "a.jpg", size_bytes, part_size_bytes, 0).part_sizes()
    assert sum(sizes) == size_bytes
    assert set(sizes[:-1]) <= {part_size_bytes}
    assert 0 < sizes[-1] <= part_size_bytes


def test_an_upload_of_whole_parts_has_no_empty_part():
    """Ten bytes in parts of five are two parts."""
    upload = records.Upload("p", "m", "a.jpg", 10, 5, 0)
    assert upload.part_sizes() == [5, 5]
    assert replace(upload, size_bytes=11).part_sizes() == [5, 5, 1]
    assert replace(upload, size_bytes=4).part_sizes() == [4]


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_767_225_600_007, "2026-01-01T00:00:00.007Z")],
)
def test_times_are_written_in_utc(at_ms, text):
    """RFC 3339, with milliseconds."""
    assert records.rfc3339(at_ms) == text


@given(st.integers(0, 4_000_000_000_000), st.integers(0, 4_000_000_000_000))
def test_times_sort_as_text(one_ms, other_ms):
    """Their width is fixed, and no millisecond is lost to rounding."""
    assert (records.rfc3339(one_ms) < records.rfc3339(other_ms)) == (one_ms < other_ms)
