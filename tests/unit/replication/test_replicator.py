"""A whole replicator on real stores, run as its process runs it."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from regions import ids
from regions.account_changes import AccountChanges
from regions.clock import now_ms
from regions.events import messages
from regions.events.outbox import OutboxPublisher
from regions.events.set_aside import A_MINUTE, SetAside, parse, to_event
from regions.events.topics import (
    DEAD_LETTERS,
    ERASURE,
    FOLLOW_CHANGED,
    LANES_IN_A_MINUTE,
    LANES_IN_TEN_MINUTES,
    PHOTO_DELETED,
    PHOTO_READY,
    PHOTO_READY_AGAIN,
    PHOTO_REFERENCED,
    RECORD_CHANGED,
)
from regions.records import User
from regions.residency.rules import Rules
from replication import lane_status
from replication.budget import LaneSettings, settings_text
from replication.live_settings import key_of
from replication.replicator import main


@contextmanager
def replicator(regions, region: str):
    """Runs until the end of the block; raises the replicator's errors."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(main, regions.config, region, "test", stop)
        try:
            yield
        finally:
            stop.set()
            running.result(30)


@pytest.fixture(autouse=True)
def leaves_no_thread():
    """All threads that a replicator started have ended when it ends; those of the origins that it asked go on."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert [name for name in left if not name.startswith("border of ")] == []


def test_a_photo_is_copied_and_deleted_everywhere(regions, eventually):
    """With metadata and a replica record; after the deletion no region has a byte of it, not even its home.

    The record stays until nothing of it can arrive any more.
    """
    photo, _ = regions.add_photo("eu-west")
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.replicas(photo))
        assert regions.files_of(photo) == dict.fromkeys(("eu-west", "eu-central"), regions.everything)
        regions.delete(photo)
        eventually(lambda: not regions.files_of(photo))
        others = ("eu-central", "us-central")
        eventually(lambda: all(regions.stores[one].catalog.tombstones.get(photo.photo_id) for one in others))
        [waiting] = eventually(lambda: regions.published("eu-west", LANES_IN_TEN_MINUTES))
    assert parse(waiting).event.topic == PHOTO_DELETED
    assert regions.replicas(photo) == [("eu-central", True, True)]


def test_a_corrupt_photo_is_set_aside_and_blocks_no_other(regions, eventually):
    """With its error; the photos after it are copied, and the lane has no lag."""
    corrupt, _ = regions.add_photo("eu-west")
    regions.corrupt(corrupt)
    later = [regions.add_photo("eu-west", size_bytes=1000)[0] for _ in range(8)]
    with replicator(regions, "eu-west"):
        eventually(lambda: all(regions.replicas(photo) for photo in later))
        [waiting] = eventually(lambda: regions.published("eu-west", LANES_IN_A_MINUTE))
        eventually(lambda: regions.lag("eu-west", PHOTO_READY, "lane-eu-central") == 0)
    one = parse(waiting)
    assert (one.event.key, one.group, "SHA-256" in one.error) == (corrupt.photo_id, "lane-eu-central", True)
    assert regions.replicas(corrupt) == [("eu-central", False, True)]


def test_copies_wait_for_a_statement_and_deletions_do_not(regions, eventually):
    """A photo is deleted while no origin has one; the other is copied when they have."""
    waiting, _ = regions.add_photo("eu-west")
    deleted, _ = regions.add_photo("eu-west")
    stated = dict(regions.rules)
    regions.rules.update(dict.fromkeys(stated, Rules(None, (), leased=False)))
    regions.delete(deleted)
    with replicator(regions, "eu-west"):
        eventually(lambda: not regions.files_of(deleted))
        assert regions.files_of(waiting) == {"eu-west": regions.everything}
        regions.rules.update(stated)
        eventually(lambda: regions.replicas(waiting))
    assert regions.published("eu-west", DEAD_LETTERS) == []


def test_an_unavailable_region_delays_only_its_own_lane(regions, eventually):
    """Its events are handled when it is available again."""
    photo, _ = regions.add_photo("eu-west")
    regions.add_follower(photo, "us-central")
    regions.servers["us-central"].set_away(True)
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.replicas(photo))
        regions.servers["us-central"].set_away(False)
        [reference] = eventually(lambda: regions.published("us-central", PHOTO_REFERENCED))
    assert reference.key == photo.photo_id


def test_a_replicator_waits_for_its_own_region(regions, eventually):
    """It starts before its stores can be opened, and stops on request even if they never can."""
    for stores in regions.stores.values():
        stores.close()
    shutil.rmtree(regions.data / "regions")
    (regions.data / "regions").write_text("not a folder")
    with replicator(regions, "eu-west"):
        pass


def test_a_new_follower_elsewhere_gets_the_latest_photos(regions, eventually):
    """The replicator of the follower's region fetches the references from the author's home."""
    photo, _ = regions.add_photo("eu-west")
    regions.follow("us-central", photo.owner_id)
    with replicator(regions, "us-central"):
        [reference] = eventually(lambda: regions.published("us-central", PHOTO_REFERENCED))
        eventually(lambda: regions.lag("us-central", FOLLOW_CHANGED, "lane-eu-west") == 0)
    assert reference.key == photo.photo_id


def test_two_replicators_of_a_region_share_the_work(regions, eventually):
    """Every photo is copied completely, and there are no dead letters."""
    photos = [regions.add_photo("eu-west", size_bytes=100_000)[0] for _ in range(12)]
    with replicator(regions, "eu-west"), replicator(regions, "eu-west"):
        eventually(lambda: all(regions.replicas(photo) for photo in photos))
        regions.delete(photos[0])
        eventually(lambda: regions.lag("eu-west", PHOTO_DELETED, ERASURE) == 0)
    assert all(regions.files_of(photo)["eu-central"] == regions.everything for photo in photos[1:])
    assert regions.published("eu-west", DEAD_LETTERS) == []


def test_an_account_that_changes_is_copied_and_goes(regions, eventually):
    """By the events of the region's own code: it signs up, changes its name, and is deleted."""
    stores, there = regions.stores["eu-west"], regions.stores["eu-central"].catalog.copies
    changes = AccountChanges(stores.catalog, OutboxPublisher(stores.catalog, stores.events, now_ms), now_ms)
    ana = User(regions.new_id(ids.USER, "eu-west"), "Ana", "PT", "eu", "eu-west", 1, "ana")

    def copy() -> str | None:
        return next((one.document for one in there.of_home("eu-west", "user", None, 9)[0]), None)

    with replicator(regions, "eu-west"):
        changes.add(ana)
        eventually(lambda: copy() and '"name":"Ana"' in copy())
        changes.rename(ana.user_id, "Anna")
        eventually(lambda: '"name":"Anna"' in copy())
        changes.mark_deleted(ana.user_id)
        eventually(lambda: copy() is None)
        eventually(lambda: regions.lag("eu-west", RECORD_CHANGED, "lane-us-central") == 0)
    assert regions.stores["us-central"].catalog.copies.of_home("eu-west", "user", None, 9) == ([], None)


def test_a_paused_lane_copies_nothing_and_deletes_nevertheless(regions, eventually):
    """When it goes on, what has waited is copied."""
    values = regions.stores["eu-west"].settings.values
    values.write(key_of("eu-central"), settings_text(LaneSettings(paused=True)))
    waiting, _ = regions.add_photo("eu-west")
    deleted, _ = regions.add_photo("eu-west")
    regions.delete(deleted)
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.stores["eu-central"].catalog.tombstones.get(deleted.photo_id))
        eventually(lambda: regions.lag("eu-west", PHOTO_READY, "lane-us-central") == 0)
        assert regions.files_of(waiting) == {"eu-west": regions.everything}
        values.write(key_of("eu-central"), settings_text(LaneSettings()))
        eventually(lambda: regions.replicas(waiting))


def test_a_replicator_says_in_the_settings_what_its_lanes_do(regions, eventually):
    """While it runs, and no longer."""
    values = regions.stores["eu-west"].settings.values
    values.write(key_of("eu-central"), settings_text(LaneSettings(paused=True)))
    _, event = regions.add_photo("eu-west")

    def activity():
        seen = lane_status.present(values.tree(lane_status.PREFIX), now_ms()).get("eu-central", [])
        return lane_status.total(seen) if seen else None

    with replicator(regions, "eu-west"):
        found = eventually(lambda: (found := activity()) and (found.under_way, found.alone) == (1, 0) and found)
    assert (found.replicators, found.copying) == (1, 0)
    assert found.oldest_ms == {PHOTO_READY: event.at_ms}
    assert values.tree(lane_status.PREFIX) == {}


def test_a_lane_without_work_says_whether_its_destination_answers(regions, eventually):
    """Nothing is to be sent, before or after: it finds out that the destination is back by itself."""
    values = regions.stores["eu-west"].settings.values

    def silent_s() -> list[float | None]:
        seen = lane_status.present(values.tree(lane_status.PREFIX), now_ms()).get("eu-central", [])
        return [status.work.silent_s for status in seen]

    with replicator(regions, "eu-west"):
        eventually(lambda: silent_s() == [None])
        regions.servers["eu-central"].set_away(True)
        [away_s] = eventually(lambda: None not in silent_s() and silent_s())
        regions.servers["eu-central"].set_away(False)
        eventually(lambda: silent_s() == [None])
    # Five polls, each second one; before that it answered.
    assert 3 < away_s < 30


def test_a_lane_says_that_its_destination_answers_and_puts_everything_off(regions, eventually):
    """Its disk is away: each item gets a 503. When it is back, nothing is put off any more, and nothing was lost."""
    photo, _ = regions.add_photo("eu-west")
    values, objects = regions.stores["eu-west"].settings.values, regions.data / "regions" / "eu-central" / "objects"

    def work():
        [status] = lane_status.present(values.tree(lane_status.PREFIX), now_ms()).get("eu-central") or [None]
        return status and status.work

    before_ms = now_ms()
    objects.rename(objects.with_name("away"))
    with replicator(regions, "eu-west"):
        found = eventually(lambda: (seen := work()) and seen.put_off and seen)
        objects.with_name("away").rename(objects)
        eventually(lambda: regions.replicas(photo))
        eventually(lambda: not work().put_off)
    assert (found.put_off, found.errors, found.silent_s) == (1, 0, None)
    assert before_ms <= found.put_off_ms <= now_ms()
    assert found.put_off_because.startswith("eu-central answered 503: ")


def test_a_photo_that_was_processed_again_is_copied_from_a_topic_of_its_own(regions, eventually):
    """So that nothing fresh waits behind it."""
    photo, event = regions.add_photo("eu-west")
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.replicas(photo))
        stores = regions.stores["eu-west"]
        stores.catalog.replicas.remove(photo.photo_id, "eu-central")
        again = messages.photo_ready_again(replace(photo, recipe=2), event.at_ms)
        assert again.topic == PHOTO_READY_AGAIN
        stores.events.publish([again])
        eventually(lambda: regions.replicas(photo))


def test_fresh_photos_wait_for_none_that_was_processed_again(regions, eventually):
    """However many of those came before."""
    values, events = regions.stores["eu-west"].settings.values, regions.stores["eu-west"].events
    values.write(key_of("eu-central"), settings_text(LaneSettings(backfill_width=1)))
    old = [regions.add_record("eu-west")[0] for _ in range(60)]
    events.publish([messages.photo_ready_again(replace(photo, recipe=2), photo.created_at_ms) for photo in old])
    fresh, _ = regions.add_photo("eu-west", size_bytes=1000)
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.replicas(fresh))
        assert regions.lag("eu-west", PHOTO_READY_AGAIN, "lane-eu-central") > 30


def test_a_deletion_that_was_set_aside_does_not_wait_behind_copies_of_a_paused_lane(regions, eventually):
    """The copies are put off again, and are copied when the lane goes on."""
    home, lane, due_ms = regions.stores["eu-west"], "lane-eu-central", now_ms()
    home.settings.values.write(key_of("eu-central"), settings_text(LaneSettings(paused=True)))
    copies = [regions.add_record("eu-west")[1] for _ in range(40)]
    deleted, _ = regions.add_record("eu-west")
    deletion = messages.photo_deleted(deleted, due_ms)
    aside = [SetAside(event, lane, A_MINUTE, 1, due_ms, due_ms, "failed") for event in (*copies, deletion)]
    home.events.publish([to_event(one, due_ms) for one in aside])
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.stores["eu-central"].catalog.tombstones.get(deleted.photo_id))
        eventually(lambda: len(regions.published("eu-west", LANES_IN_TEN_MINUTES)) == len(copies))
    assert regions.replicas(deleted) == []
