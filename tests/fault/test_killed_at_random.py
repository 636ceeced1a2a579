"""kill -9 of workers, nannies, the scheduler, the processor and the actors' workers at random, while 500 photos come.

`DARKROOM_KILL_SEED` repeats a run's photos and kills, but not which of them meet. `pytest -rP` shows the times.
"""

import hashlib
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random, SystemRandom
from typing import Any

import pytest

from darkroom.local.compliance import signers_text
from darkroom.operate.places import make_missing_keys
from processing.background import janitor
from processing.photo_processor import MOST_DEATHS
from regions import config as configuration
from regions.cluster.workers import security_of
from regions.events import messages
from regions.events.messages import Event
from regions.events.topics import DEAD_LETTERS, ERASURE, FANOUT, PHOTO_READY, PROCESSOR, topics_of
from regions.records import Photo, Status
from regions.stores.settings import KNOWN_BAD
from replication import replicator
from tests.builders.clusters import OperatorsDask, write_certificates
from tests.builders.killer import CREW, KINDS, Absences, Kill, Killer, SchedulerProbe
from tests.builders.many_photos import GROUPS, OWNERS, Plan, Planned, Uploads
from tests.builders.processes import at_work
from tests.builders.rooms import REGION, Room, open_room
from tests.builders.samples import all_pages
from tests.builders.statements import Compliance
from tests.builders.topologies import one_region

pytestmark = pytest.mark.xdist_group("dask")

PHOTOS = 500
WORKERS = 3
KILLS_OF_EACH, MORE_KILLS = 3, 3
PAUSE_S = 0.3, 2.0
DONE_S = 120
LOST_ANSWER_S = 10
"""How long after an answer about a photo its outcome is recorded at the latest, by a processor that lives on."""
FOLLOWER = 1_000


@pytest.fixture
def room(tmp_path) -> Iterator[Room]:
    opened = open_room(tmp_path)
    yield opened
    opened.stores.close()


@pytest.fixture
def dask(room, tmp_path, eventually) -> Iterator[OperatorsDask]:
    write_certificates(room.config.secrets, REGION)
    running = OperatorsDask(tmp_path, eventually, room.config.secrets)
    yield running
    running.kill()


@dataclass
class Running:
    """A region whose processes run, and what ends them."""

    killer: Killer
    probe: SchedulerProbe


@pytest.fixture
def running(room, dask, dice, eventually) -> Iterator[Running]:
    address = dask.start_scheduler()
    text = one_region(room.folder).replace("[regions.eu-west]", f'[regions.eu-west]\nscheduler = "{address}"')
    room.config.path.write_text(text)
    config = configuration.load(room.config.path, {})
    # For the replicator, which erases here what was deleted, and copies nothing.
    make_missing_keys(config.topology, config.secrets)
    config.signers_file.write_text(signers_text(Compliance().signers))
    for _ in range(WORKERS):
        dask.start_darkroom_worker(config.path)
    dask.start_processor(config.path)
    probe = SchedulerProbe(address, security_of(config.scheduler_tls(REGION)))
    with probe.opened(), at_work(janitor.main, config, REGION), at_work(replicator.main, config, REGION):
        yield Running(Killer(dask, int(address.rpartition(":")[2]), config.path, probe, dice, eventually), probe)


@pytest.fixture
def dice() -> Random:
    seed = int(os.environ.get("DARKROOM_KILL_SEED") or SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"DARKROOM_KILL_SEED={seed}\n")
    return Random(seed)


def test_every_photo_ends_once_whatever_is_killed(room, dask, running, dice, draw, in_background, eventually):
    """Ready, rejected, or failed for cause; and what owners, followers and the disk have is that, once."""
    plan, uploads, kills = Plan(draw, dice, PHOTOS), Uploads(room), running.killer.kills
    room.stores.settings.values.write(KNOWN_BAD, plan.known_bad)
    follow_everybody(room)
    with Absences(running.probe).watched() as absences:
        eventually(lambda: running.probe.actors_worker(CREW))
        at_once = in_background(lambda: uploads.upload(*plan.photos[: PHOTOS // 2]))
        kill_while_uploading(running.killer, uploads, plan.photos[PHOTOS // 2 :], dice, dask, eventually)
        at_once.result()
        eventually(lambda: not uploads.under_way(), DONE_S, dask.log_tail)
        dask.assert_running()
    sys.stdout.write("\n".join(report(kills, uploads, absences)))
    one_more_of_each_group(uploads, plan, eventually)
    eventually(lambda: not unfinished(room))
    assert len(uploads.planned) == PHOTOS + GROUPS
    assert min(Counter(kill.kind for kill in kills)[kind] for kind in KINDS) >= KILLS_OF_EACH
    check_outcomes(uploads)
    check_blame(uploads, kills)
    check_what_is_visible(uploads)
    check_objects(uploads)
    for group in range(GROUPS):
        check_equal(uploads, group, kills)


def kill_while_uploading(
    killer: Killer,
    uploads: Uploads,
    planned: list[Planned],
    dice: Random,
    dask: OperatorsDask,
    eventually: Callable[..., Any],
) -> None:
    """Some photos come before each kill, so that it meets some. Half of the kills meet what still recovers."""
    kinds = [*KINDS * KILLS_OF_EACH, *dice.choices(KINDS, k=MORE_KILLS)]
    dice.shuffle(kinds)
    for number, kind in enumerate(kinds):
        ended, (*before, last) = uploads.ended(), planned[number :: len(kinds)]
        uploads.upload(*before)
        delete_one(uploads, dice)
        if dice.random() < 0.5:
            eventually(lambda ended=ended: uploads.ended() > ended + 1, DONE_S, dask.log_tail)
        threading.Event().wait(dice.uniform(*PAUSE_S))
        # On a fast machine all others may have ended by now.
        uploads.upload(last)
        killer.kill(kind)


def follow_everybody(room: Room) -> None:
    follower = room.user_id(FOLLOWER)
    room.stores.feeds.mark_complete(follower)
    for owner in owners(room):
        event = messages.follow_changed(follower, owner, True, room.clock_ms)
        room.stores.catalog.follows.change(follower, owner, True, event)


def owners(room: Room) -> list[str]:
    return [room.user_id(owner) for owner in range(1, OWNERS + 1 + GROUPS)]


def delete_one(uploads: Uploads, dice: Random) -> None:
    """In the middle of its processing, or just before or after."""
    alone = [photo_id for photo_id in uploads.under_way() if uploads.planned[photo_id].group is None]
    if alone:
        uploads.delete(dice.choice(alone))


def one_more_of_each_group(uploads: Uploads, plan: Plan, eventually: Callable[..., Any]) -> None:
    """It is compared with what was recorded before: that is known again, whatever was killed."""
    more = [plan.one_more(group, PHOTOS + 1 + group) for group in range(GROUPS)]
    uploads.upload(*more)
    eventually(lambda: not uploads.under_way())
    named = [
        photo.near_duplicate_of for photo_id, photo in uploads.ready().items() if uploads.planned[photo_id] in more
    ]
    assert len(named) == GROUPS
    assert all(named)


def unfinished(room: Room) -> dict[str, int]:
    """Events that somebody has yet to handle or to publish."""
    readers = [(topic, group) for group in (PROCESSOR, FANOUT, ERASURE) for topic in topics_of(group)]
    counts = {f"{topic} {group}": sum(room.stores.events.lag(topic, group).values()) for topic, group in readers}
    counts["outbox"] = len(room.stores.catalog.outbox.pending(1))
    return {name: count for name, count in counts.items() if count}


def check_outcomes(uploads: Uploads) -> None:
    """As planned, or failed because its workers were killed. What was deleted is gone, and nothing else."""
    recorded = uploads.all_recorded()
    assert uploads.planned.keys() - recorded.keys() == uploads.deleted
    wrong = {
        photo_id: (uploads.planned[photo_id].outcome, photo.status, photo.reason, photo.worker_deaths)
        for photo_id, photo in recorded.items()
        if not is_for_cause(photo, uploads.planned[photo_id].outcome)
    }
    assert not wrong
    assert not sum(uploads.room.stores.events.lag(DEAD_LETTERS, "nobody").values())


def is_for_cause(photo: Photo, planned: str) -> bool:
    if photo.reason is None:
        return photo.status is Status.READY and planned == "ready"
    if photo.reason.code == "kills-workers":
        return photo.status is Status.FAILED and photo.worker_deaths >= MOST_DEATHS
    expected = Status.REJECTED if planned == "known-bad" else Status.FAILED
    return photo.reason.code == planned and photo.status is expected


def check_blame(uploads: Uploads, kills: list[Kill]) -> None:
    """Photos are blamed for the deaths of their own workers, each once: not for others, and not for none."""
    killed_with = Counter(photo_id for kill in kills for photo_id in kill.photo_ids)
    blamed = Counter({photo_id: photo.worker_deaths for photo_id, photo in uploads.all_recorded().items()})
    assert blamed.total()
    assert (blamed - killed_with).total() <= sum(kill.may_meet_another for kill in kills)


def check_what_is_visible(uploads: Uploads) -> None:
    """Each ready photo: once in its owner's list and in the follower's feed, and one event reports it. No other one."""
    stores, room, ready = uploads.room.stores, uploads.room, uploads.ready()
    listed = []
    for owner_id in owners(room):
        listed += all_pages(lambda before, owner_id=owner_id: ids_of(room, owner_id, before))
    assert sorted(listed) == sorted(ready)
    feed = all_pages(lambda before: stores.feeds.page(room.user_id(FOLLOWER), before, 100))
    assert stores.catalog.photos.summaries(feed).keys() == ready.keys()
    event_ids = defaultdict(set)
    for event in ready_events(room):
        event_ids[event.key].add(event.event_id)
    assert {len(each) for each in event_ids.values()} == {1}
    assert ready.keys() <= event_ids.keys() <= ready.keys() | uploads.deleted


def ids_of(room: Room, owner_id: str, before: str | None) -> list[str]:
    return [summary.photo_id for summary in room.stores.catalog.photos.by_owner(owner_id, before, 20)]


def ready_events(room: Room) -> list[Event]:
    """From the beginning; some may be there twice."""
    consumer, found = room.stores.events.consumer(PHOTO_READY, f"test-{time.time_ns()}", "test"), []
    while deliveries := consumer.poll(1_000, 0):
        found += [delivery.event for delivery in deliveries]
    consumer.close()
    return found


def check_objects(uploads: Uploads) -> None:
    """What is stored is what is recorded, byte by byte. Raws go with deleted photos, and stay with failed ones."""
    for photo_id in uploads.planned:
        photo = uploads.recorded(photo_id)
        recorded = {variant.name: variant.sha256 for variant in photo.variants} if photo else {}
        stored = uploads.room.variant_bytes(photo_id)
        assert {name: hashlib.sha256(data).hexdigest() for name, data in stored.items()} == recorded, photo_id
        assert len(stored) == (4 if photo and photo.status is Status.READY else 0)
        assert (uploads.room.raw(photo_id) is None) == (photo is None)


def check_equal(uploads: Uploads, group: int, kills: list[Kill]) -> None:
    """Each names another, which leads to an original: one, unless answers were lost before they were recorded."""
    named = {photo_id: photo.near_duplicate_of for photo_id, photo in uploads.ready_of(group).items()}
    for first in named:
        path = [first]
        while other := named[path[-1]]:
            assert other not in path, named
            path.append(other)
    ready_s = {event.key: event.at_ms / 1000 for event in ready_events(uploads.room)}
    originals = sorted((photo_id for photo_id, other in named.items() if other is None), key=ready_s.__getitem__)
    for photo_id in originals[:-1]:
        assert any(kill.ends_actors and 0 < ready_s[photo_id] - kill.at_s < LOST_ANSWER_S for kill in kills), named


def report(kills: list[Kill], uploads: Uploads, absences: Absences) -> Iterator[str]:
    """For people."""
    start_s, end_s = kills[0].at_s, kills[-1].at_s
    ready_s = {event.key: event.at_ms / 1000 for event in ready_events(uploads.room)}
    waits_s = sorted(at_s - uploads.complete_s[photo_id] for photo_id, at_s in ready_s.items())
    deaths = Counter(photo.worker_deaths for photo in uploads.all_recorded().values())
    yield f"{len(waits_s)} photos waited {waits_s[len(waits_s) // 2]:.1f} s, at most {waits_s[-1]:.1f} s"
    last_s, early = max(ready_s.values()), sum(at_s < end_s for at_s in ready_s.values())
    yield f"kills for {end_s - start_s:.1f} s, {early} ready by then; the last ready {last_s - end_s:.1f} s later"
    yield f"photos by workers' deaths: {dict(deaths)}; killed with {sum(len(kill.photo_ids) for kill in kills)}"
    originals = [[photo.near_duplicate_of for photo in uploads.ready_of(group).values()] for group in range(GROUPS)]
    yield f"originals of each group: {[named.count(None) for named in originals]}"
    yield from (f"  {kill.at_s - start_s:5.1f} s {kill.kind} with {len(kill.photo_ids)}" for kill in kills)
    for from_s, to_s in absences.from_to_s:
        kinds = [kill.kind for kill in kills if from_s <= kill.at_s <= to_s]
        yield f"  {from_s - start_s:5.1f} s actor away for {to_s - from_s:.1f} s: {', '.join(kinds)}"
    gaps_s = sorted((after - before, before - start_s) for before, after in pairwise(sorted(ready_s.values())))
    yield (
        "  longest without a ready photo: " + ", ".join(f"{gap:.1f} s at {at:.1f} s" for gap, at in gaps_s[-4:]) + "\n"
    )
