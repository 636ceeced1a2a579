"""What a lane does about a photo that is ready, over real stores: what lies where, and what is on the audit log."""

from dataclasses import replace

import pytest

from regions import ids
from regions.errors import NotFound, Unavailable, Unprocessable
from regions.events import messages
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_key
from regions.stores.settings import POLICY


def test_a_european_photo_lies_in_european_regions_only(regions):
    """After every lane has had it, nothing of it is in the folders of the American region, nor in its catalog."""
    photo, event = regions.add_photo("eu-west")
    for destination in ("eu-central", "us-central"):
        regions.lane("eu-west", destination).ready(event)
    assert regions.files_of(photo) == dict.fromkeys(("eu-west", "eu-central"), regions.everything)
    assert regions.stores["us-central"].catalog.photos.get(photo.photo_id) is None
    assert regions.stores["eu-central"].catalog.photos.get(photo.photo_id) == photo
    assert regions.replicas(photo) == [("eu-central", True, True)]


def test_an_american_original_does_not_come_to_eu_west(regions):
    """Its variants do, and all of it comes to eu-central."""
    photo, event = regions.add_photo("us-central")
    for destination in ("eu-west", "eu-central"):
        regions.lane("us-central", destination).ready(event)
    assert regions.files_of(photo)["eu-west"] == {"150", "320"}
    assert regions.files_of(photo)["eu-central"] == regions.everything
    assert regions.replicas(photo) == [("eu-central", True, True), ("eu-west", False, True)]


def test_a_copy_is_the_original_and_carries_its_sum(regions):
    """Byte for byte, with the type and the cache lifetime that the home gave it."""
    photo, event = regions.add_photo("eu-west")
    regions.lane("eu-west", "eu-central").ready(event)
    here, there = (regions.stores[region].objects for region in ("eu-west", "eu-central"))
    for bucket, key in ((RAW, raw_key(photo.photo_id)), (VARIANTS, variant_key(photo.photo_id, 150))):
        assert there.info(bucket, key) == here.info(bucket, key)
        with here.open(bucket, key) as original, there.open(bucket, key) as copy:
            assert b"".join(copy) == b"".join(original)


def test_decisions_are_on_the_audit_log_of_the_home_before_the_bytes_move(regions):
    """Looked up at the instant of the first put."""
    photo, event = regions.add_photo("eu-west")
    seen = []
    regions.hook("eu-central", before_put=lambda: seen.append(regions.audited(photo)))
    regions.lane("eu-west", "eu-central").ready(event)
    at_rest = {(action, "eu-central", True) for action in ("rest_raw", "rest_variants", "rest_metadata")}
    assert seen == [at_rest] * 3


def test_a_refusal_is_on_the_audit_log(regions):
    """With the rule and the version of the policy that refused."""
    photo, event = regions.add_photo("us-central")
    regions.lane("us-central", "eu-west").ready(event)
    assert ("rest_raw", "eu-west", False) in regions.audited(photo)
    refusal = next(e for e in regions.stores["us-central"].catalog.audit.latest(photo.photo_id, 9) if not e.allowed)
    policy = regions.end("us-central").require_policy()
    assert refusal.rule.startswith("policy.yaml:")
    assert refusal.policy_version == policy.version


def test_a_second_delivery_moves_nothing(regions):
    """No file is written again, and no decision is logged twice."""
    photo, event = regions.add_photo("eu-west")
    regions.lane("eu-west", "eu-central").ready(event)
    entries = regions.stores["eu-west"].catalog.audit.latest(photo.photo_id, 100)
    puts = []
    regions.hook("eu-central", before_put=lambda: puts.append(1))
    regions.lane("eu-west", "eu-central").ready(event)
    assert puts == []
    assert regions.stores["eu-west"].catalog.audit.latest(photo.photo_id, 100) == entries


def test_a_spoiled_original_is_refused_and_the_rest_comes(regions):
    """No replica is recorded of what is not whole."""
    photo, event = regions.add_photo("eu-west")
    regions.spoil(photo)
    with pytest.raises(Unprocessable, match="SHA-256"):
        regions.lane("eu-west", "eu-central").ready(event)
    assert regions.files_of(photo)["eu-central"] == {"150", "320"}
    assert regions.replicas(photo) == []


def test_a_missing_original_is_refused_and_the_rest_comes(regions):
    """The error says so, and a later delivery finds it once it is there again."""
    photo, event = regions.add_photo("eu-west")
    path = regions.spoil(photo)
    path.rename(regions.data / "away")
    lane = regions.lane("eu-west", "eu-central")
    with pytest.raises(NotFound):
        lane.ready(event)
    assert regions.files_of(photo)["eu-central"] == {"150", "320"}


def test_an_original_that_opens_but_can_not_be_read_is_not_waited_for(regions):
    """A bad sector is the photo's own trouble, and must not look like a store that is away."""
    photo, event = regions.add_photo("eu-west")

    def fail():
        raise Unavailable("Input/output error")

    regions.hook("eu-west", in_read=fail)
    with pytest.raises(Unprocessable, match="can't be read to its end: Input/output error"):
        regions.lane("eu-west", "eu-central").ready(event)
    assert "eu-central" not in regions.files_of(photo)


def test_a_photo_nobody_knows_is_refused(regions):
    """Neither it nor its tombstone is at home."""
    photo, event = regions.add_photo("eu-west")
    stranger = replace(photo, photo_id=regions.new_id(ids.PHOTO, "eu-west"))
    with pytest.raises(NotFound):
        regions.lane("eu-west", "eu-central").ready(messages.photo_ready(stranger, event.at_ms))


@pytest.mark.parametrize("text", [None, "policy: ["])
def test_without_a_policy_nothing_crosses_and_the_event_waits(regions, text):
    """Gone or unreadable; once it is back, the same event brings everything."""
    photo, event = regions.add_photo("eu-west")
    settings = regions.stores["eu-west"].settings
    shipped = settings.values.read(POLICY).value
    settings.values.delete(POLICY) if text is None else settings.values.write(POLICY, text)
    lane = regions.lane("eu-west", "eu-central")
    with pytest.raises(Unavailable, match="no policy"):
        lane.ready(event)
    assert list(regions.files_of(photo)) == ["eu-west"]
    assert regions.audited(photo) == set()
    settings.values.write(POLICY, shipped)
    lane.ready(event)
    assert regions.files_of(photo)["eu-central"] == regions.everything
