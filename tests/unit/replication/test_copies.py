"""What a lane does about a ready photo, on real stores: what is stored where, and what the audit log records."""

import hashlib
from dataclasses import replace

import pytest

from regions import ids
from regions.errors import NotFound, Unavailable, Unprocessable
from regions.events import messages
from regions.events.topics import PHOTO_REFERENCED
from regions.records import Location, Status
from regions.residency.rules import Rules
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_key


def test_a_european_photo_is_copied_only_to_european_regions(regions):
    """After every lane has handled it, the American region has nothing of it: no file and no metadata."""
    photo, event = regions.add_photo("eu-west")
    for destination in ("eu-central", "us-central"):
        regions.lane("eu-west", destination).handle_ready(event)
    assert regions.files_of(photo) == dict.fromkeys(("eu-west", "eu-central"), regions.everything)
    assert regions.stores["us-central"].catalog.photos.get(photo.photo_id) is None
    assert regions.stores["eu-central"].catalog.photos.get(photo.photo_id) == photo
    assert regions.replicas(photo) == [("eu-central", True, True)]


def test_an_american_raw_is_not_copied_to_eu_west(regions):
    """Its variants are, and eu-central gets everything."""
    photo, event = regions.add_photo("us-central")
    for destination in ("eu-west", "eu-central"):
        regions.lane("us-central", destination).handle_ready(event)
    assert regions.files_of(photo)["eu-west"] == {"150", "320"}
    assert regions.files_of(photo)["eu-central"] == regions.everything
    assert regions.replicas(photo) == [("eu-central", True, True), ("eu-west", False, True)]


def test_a_copy_has_the_bytes_and_the_metadata_of_the_original(regions):
    """The same bytes, checksum, content type and cache lifetime as at home."""
    photo, event = regions.add_photo("eu-west")
    regions.lane("eu-west", "eu-central").handle_ready(event)
    here, there = (regions.stores[region].objects for region in ("eu-west", "eu-central"))
    for bucket, key in ((RAW, raw_key(photo.photo_id)), (VARIANTS, variant_key(photo.photo_id, "150.jpg"))):
        assert there.info(bucket, key) == here.info(bucket, key)
        with here.open(bucket, key) as original, there.open(bucket, key) as copy:
            assert b"".join(copy) == b"".join(original)


def test_a_copied_record_does_not_say_where_the_photo_was_taken(regions):
    """The place is for the owner alone, whose requests go to the home region."""
    photo, event = regions.add_photo("eu-west")
    located = replace(photo, location=Location(38.72, -9.13))
    assert regions.stores["eu-west"].catalog.photos.update(located, {Status.READY}, None)
    regions.lane("eu-west", "eu-central").handle_ready(event)
    copied = regions.stores["eu-central"].catalog.photos.get(photo.photo_id)
    assert (copied.owner_id, copied.location) == (photo.owner_id, None)


def test_decisions_are_on_the_audit_log_of_the_home_before_bytes_are_copied(regions):
    """Read from the audit log before each put."""
    photo, event = regions.add_photo("eu-west")
    audited = []
    regions.hook("eu-central", before_put=lambda: audited.append(regions.audited(photo)))
    regions.lane("eu-west", "eu-central").handle_ready(event)
    at_rest = {(action, "eu-central", True) for action in ("rest_raw", "rest_variants", "rest_metadata")}
    assert audited == [at_rest] * 3


def test_a_denial_is_on_the_audit_log(regions):
    """At both ends, with the rule that denied it and the hash of the statement."""
    photo, event = regions.add_photo("us-central")
    regions.lane("us-central", "eu-west").handle_ready(event)
    assert ("rest_raw", "eu-west", False) in regions.audited(photo)
    denial = next(e for e in regions.stores["us-central"].catalog.audit.latest(photo.photo_id, 9) if not e.allowed)
    assert denial.rule.startswith("policy.yaml:")
    assert denial.policy_version == regions.rules["us-central"].in_force.hash


def test_a_second_delivery_copies_nothing(regions):
    """No object is sent again, and no decision is logged twice."""
    photo, event = regions.add_photo("eu-west")
    regions.lane("eu-west", "eu-central").handle_ready(event)
    entries = regions.stores["eu-west"].catalog.audit.latest(photo.photo_id, 100)
    puts = []
    regions.hook("eu-central", before_put=lambda: puts.append(1))
    regions.lane("eu-west", "eu-central").handle_ready(event)
    assert puts == []
    assert regions.stores["eu-west"].catalog.audit.latest(photo.photo_id, 100) == entries


def test_a_corrupt_raw_is_rejected_and_the_variants_are_copied(regions):
    """The replica is recorded as it is: without a raw, of which one object is missing."""
    photo, event = regions.add_photo("eu-west")
    regions.corrupt(photo)
    with pytest.raises(Unprocessable, match="SHA-256"):
        regions.lane("eu-west", "eu-central").handle_ready(event)
    assert regions.files_of(photo)["eu-central"] == {"150", "320"}
    assert regions.replicas(photo) == [("eu-central", False, True)]
    [replica] = regions.stores["eu-west"].catalog.replicas.of_photo(photo.photo_id)
    assert replica.missing == 1


def test_an_object_that_did_not_arrive_whole_is_sent_again(regions):
    """Other bytes were there already, so nothing replaced them."""
    photo, event = regions.add_photo("eu-west")
    there = regions.stores["eu-central"].objects
    there.put(RAW, raw_key(photo.photo_id), [b"other"], hashlib.sha256(b"other").hexdigest(), "image/jpeg")
    lane = regions.lane("eu-west", "eu-central")
    with pytest.raises(Unprocessable, match="arrived whole"):
        lane.handle_ready(event)
    assert regions.replicas(photo) == [("eu-central", False, True)]
    lane.handle_ready(event)
    assert regions.files_of(photo)["eu-central"] == regions.everything
    assert regions.replicas(photo) == [("eu-central", True, True)]


def test_a_missing_raw_is_an_error_and_the_variants_are_copied(regions):
    """The error is NotFound."""
    photo, event = regions.add_photo("eu-west")
    path = regions.corrupt(photo)
    path.rename(regions.data / "moved")
    lane = regions.lane("eu-west", "eu-central")
    with pytest.raises(NotFound):
        lane.handle_ready(event)
    assert regions.files_of(photo)["eu-central"] == {"150", "320"}


def test_a_raw_that_opens_but_cannot_be_read_is_not_retried_forever(regions):
    """A bad sector is an error of this photo, and must not look like a store that is unavailable."""
    photo, event = regions.add_photo("eu-west")

    def fail():
        raise Unavailable("Input/output error")

    regions.hook_reads("eu-west", fail)
    with pytest.raises(Unprocessable, match="can't be read to its end: Input/output error"):
        regions.lane("eu-west", "eu-central").handle_ready(event)
    assert "raw" not in regions.files_of(photo)["eu-central"]


def test_an_unknown_photo_is_an_error(regions):
    """The home has neither the photo nor a tombstone for it."""
    photo, event = regions.add_photo("eu-west")
    unknown = replace(photo, photo_id=regions.new_id(ids.PHOTO, "eu-west"))
    with pytest.raises(NotFound):
        regions.lane("eu-west", "eu-central").handle_ready(messages.photo_ready(unknown, event.at_ms))


def test_without_a_statement_nothing_crosses_and_the_event_waits(regions):
    """When there is one, the same event copies everything."""
    photo, event = regions.add_photo("eu-west")
    stated, regions.rules["eu-west"] = regions.rules["eu-west"], Rules(None, (), leased=False)
    lane = regions.lane("eu-west", "eu-central")
    with pytest.raises(Unavailable, match="no policy"):
        lane.handle_ready(event)
    assert list(regions.files_of(photo)) == ["eu-west"]
    assert regions.audited(photo) == set()
    regions.rules["eu-west"] = stated
    lane.handle_ready(event)
    assert regions.files_of(photo)["eu-central"] == regions.everything


def test_without_a_lease_nothing_bound_to_a_place_leaves_its_jurisdiction(regions):
    """Within it, copies go on, and so does what may be anywhere."""
    european, event = regions.add_photo("eu-west")
    regions.lose_lease("eu-west")
    regions.add_follower(european, "us-central")
    regions.lane("eu-west", "eu-central").handle_ready(event)
    assert regions.files_of(european)["eu-central"] == regions.everything
    with pytest.raises(Unavailable, match="majority"):
        regions.lane("eu-west", "us-central").handle_ready(event)


def test_a_photo_that_was_processed_again_brings_its_new_variants_and_no_reference(regions):
    """Twice is the same as once. Its followers' feeds have it already."""
    photo, event = regions.add_photo("eu-west")
    home, there = regions.stores["eu-west"], regions.stores["eu-central"]
    regions.add_follower(photo, "eu-central")
    regions.lane("eu-west", "eu-central").handle_ready(event)
    data = b"smaller"
    new = replace(photo.variants[0], sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), recipe=2)
    home.objects.put(VARIANTS, variant_key(photo.photo_id, new.name), [data], new.sha256, "image/jpeg")
    again = replace(photo, variants=(*photo.variants, new), recipe=2)
    assert home.catalog.photos.update(again, {Status.READY}, None)
    for _ in range(2):
        regions.lane("eu-west", "eu-central").handle_ready(messages.photo_ready_again(again, event.at_ms))
    assert there.catalog.photos.get(photo.photo_id) == again
    for name in ("150.jpg", new.name):
        assert there.objects.info(VARIANTS, variant_key(photo.photo_id, name)) is not None
    consumer = there.events.consumer(PHOTO_REFERENCED, "test", "test")
    assert [delivery.event.key for delivery in consumer.poll(9, 0.0)] == [photo.photo_id]
