"""A state change and its event are one write, in every catalog, and of many writers at once exactly one wins."""

import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from regions.events.messages import photo_deleted
from regions.records import Status

RACES = 25

# Another process: opens the catalog, says so, waits for the start, and tries to change each photo.
RACER = """
import pickle, sys
from regions.events.messages import photos_uploaded
from regions.records import Status
open_catalog, photos = pickle.load(sys.stdin.buffer)
catalog = open_catalog()
print("open", flush=True)
sys.stdin.buffer.readline()
for photo in photos:
    print(catalog.photos.update(photo, {Status.UPLOADING}, photos_uploaded(photo, 50)))
"""


class Racer:
    """A process of its own that will try to change these photos."""

    def __init__(self, open_catalog, photos) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", RACER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pickle.dump((open_catalog.another_process, photos), self.process.stdin)
        self.process.stdin.flush()

    def ready(self) -> bool:
        return self.process.stdout.readline() == b"open\n"

    def go(self) -> None:
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def won(self) -> list[bool]:
        said, _ = self.process.communicate(timeout=30)
        return [line == b"True" for line in said.split()]


@pytest.fixture
def race(open_catalog):
    """Two processes that try to change the same photos, each to a caption of its own; gives what each won."""
    racers = []

    def run(photos):
        for caption in ("first", "second"):
            changed = [replace(photo, status=Status.PROCESSING, caption=caption) for photo in photos]
            racers.append(Racer(open_catalog, changed))
        assert all(racer.ready() for racer in racers)
        for racer in racers:
            racer.go()
        return [racer.won() for racer in racers]

    yield run
    for racer in racers:
        racer.process.kill()
        racer.process.communicate()


def test_of_two_processes_exactly_one_changes_a_photo(catalog, made, race):
    """The photo is as the winner left it, and one event tells of it."""
    photos = [made.photo(number) for number in range(RACES)]
    for photo in photos:
        made.begin(photo)
    first, second = race(photos)
    assert [one + other for one, other in zip(first, second, strict=True)] == [1] * RACES
    captions = [catalog.photos.get(photo.photo_id).caption for photo in photos]
    assert captions == ["first" if won else "second" for won in first]
    assert sorted(event.key for event in catalog.outbox.pending(99)) == [photo.photo_id for photo in photos]


def test_of_many_threads_exactly_one_changes_a_photo(catalog, made, threads):
    """And one event tells of it."""
    photo = made.photo(1)
    made.begin(photo)
    processing = replace(photo, status=Status.PROCESSING)
    won = threads.map(lambda _: catalog.photos.update(processing, {Status.UPLOADING}, made.event(photo)), range(16))
    assert sum(won) == 1
    assert len(catalog.outbox.pending(99)) == 1


def test_of_many_burials_exactly_one_is_told(catalog, made, threads):
    """However many delete the photo at once."""
    photo = made.ready(1)
    won = threads.map(lambda _: catalog.photos.delete(made.tombstone(photo), photo_deleted(photo, 9)), range(16))
    assert sum(won) == 1
    assert catalog.outbox.pending(99) == [photo_deleted(photo, 9)]


def test_a_change_and_a_burial_at_once_leave_it_buried(catalog, made, threads):
    """Whichever comes first: an event of the change only where the change was made."""
    photos = [made.ready(number) for number in range(8)]
    deleted = [threads.submit(catalog.photos.delete, made.tombstone(photo), None) for photo in photos]
    changed = [threads.submit(catalog.photos.update, photo, {Status.READY}, made.event(photo)) for photo in photos]
    assert all(deletion.result() for deletion in deleted)
    told = {photo.photo_id for photo, change in zip(photos, changed, strict=True) if change.result()}
    assert {event.key for event in catalog.outbox.pending(99)} == told
    assert catalog.photos.get_many([photo.photo_id for photo in photos]) == {}


def test_the_outbox_is_in_the_order_of_the_changes(catalog, made):
    """Not in that of ids or times; the oldest come first where there are more than asked for."""
    photos = [made.ready(number) for number in (3, 1, 2)]
    for photo in photos:
        catalog.photos.update(photo, {Status.READY}, made.event(photo))
    catalog.photos.delete(made.tombstone(photos[0]), photo_deleted(photos[0], 1))
    expected = [*map(made.event, photos), photo_deleted(photos[0], 1)]
    assert catalog.outbox.pending(10) == expected
    assert catalog.outbox.pending(2) == expected[:2]


def test_what_is_published_leaves_the_outbox(catalog, made):
    """And only that; to say so again, or of what never was there, does nothing."""
    first, second, unknown = (made.ready(number) for number in range(3))
    for photo in (first, second):
        catalog.photos.update(photo, {Status.READY}, made.event(photo))
    for _ in range(2):
        catalog.outbox.remove([made.event(first), made.event(unknown)])
    assert catalog.outbox.pending(10) == [made.event(second)]
    catalog.outbox.remove([])


def test_a_follow_and_its_end_in_one_millisecond_are_two_events(catalog, made):
    """To have published the first says nothing of the second."""
    ana, bob = made.user_id(1), made.user_id(2)
    follow, end = (made.follow(ana, bob, following, at_ms=5) for following in (True, False))
    catalog.follows.change(ana, bob, True, follow)
    catalog.follows.change(ana, bob, False, end)
    catalog.outbox.remove([follow])
    assert catalog.outbox.pending(10) == [end]


def test_an_event_is_published_by_whoever_finds_it(catalog, open_catalog, made):
    """Another process can take it off."""
    photo = made.ready(1)
    catalog.photos.update(photo, {Status.READY}, made.event(photo))
    another = open_catalog()
    another.outbox.remove(another.outbox.pending(10))
    assert catalog.outbox.pending(10) == []
