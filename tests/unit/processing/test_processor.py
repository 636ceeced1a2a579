"""The whole processor on real stores and a real Dask cluster: from an event to a ready photo."""

import os
import threading
import time
from dataclasses import replace

import psutil
import pytest

from processing.processor import main
from regions import processing_status
from regions.clock import now_ms
from regions.errors import TopologyError
from regions.events import messages
from regions.events.topics import PHOTOS_DEFERRED
from regions.records import Status
from regions.stores.settings import KNOWN_BAD
from regions.topology import Topology
from tests.builders.processes import at_work

pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture
def processor(room):
    """A running processor, on a thread of this process."""
    with at_work(main, room.config, "eu-west"):
        yield


def status(room, photo) -> Status:
    return room.photo(photo).status


def test_an_upload_becomes_a_ready_photo(room, processor, draw, eventually):
    """The event is read, the job runs in a worker, and its outcome is recorded."""
    photo, _ = room.uploaded(draw(1))
    eventually(lambda: status(room, photo) is Status.READY, 60)
    assert len(room.variants(photo)) == 4


def test_a_deferred_photo_becomes_ready_too(room, processor, draw, eventually):
    """Its event comes from a topic of its own."""
    photo = room.uploading(size_bytes=len(draw(1)))
    room.put_raw(photo, draw(1))
    room.change(photo, Status.PROCESSING)
    event = replace(messages.photos_uploaded(photo, room.clock_ms), topic=PHOTOS_DEFERRED)
    room.stores.events.publish([event])
    eventually(lambda: status(room, photo) is Status.READY, 60)


def test_a_photo_becomes_ready_although_another_fails(room, processor, draw, eventually):
    """Neither blocks the other."""
    bad, _ = room.uploaded(b"not a photo", sequence=1)
    good, _ = room.uploaded(draw(1), sequence=2)
    eventually(lambda: status(room, good) is Status.READY, 60)
    eventually(lambda: status(room, bad) is Status.FAILED, 60)


def reported(room):
    """What all processors say together now; None if none does."""
    statuses = processing_status.present(room.stores.settings.values.tree(processing_status.PREFIX), now_ms())
    return processing_status.total(statuses.values()) if statuses else None


def test_a_processor_reports_what_it_does_and_leaves_nothing_behind(room, draw, eventually):
    """How fast it has finished two photos, of which one failed; when it has stopped, its report is gone."""
    with at_work(main, room.config, "eu-west"):
        room.uploaded(b"not a photo", sequence=1)
        room.uploaded(draw(1), sequence=2)
        found = eventually(lambda: (now := reported(room)) and now.step_ms and now, 60)
        assert found.failed_per_s > 0 and found.workers >= 1 and found.wanted_workers >= 1
        idle = eventually(lambda: (now := reported(room)) and now.lag == 0 and now, 60)
        assert (idle.worker_deaths, idle.waiting, idle.in_flight) == (0, {}, 0)
    assert room.stores.settings.values.tree(processing_status.PREFIX) == {}


def test_a_backlog_gets_more_workers(room, draw, eventually, monkeypatch):
    """A processor starts with one, and has no more than half of the machine's cores."""
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    photos = [room.uploaded(draw(number, 64, 64), number)[0] for number in range(1, 101)]
    with at_work(main, room.config, "eu-west"):
        found = eventually(lambda: (now := reported(room)) and now.workers > 1 and now, 30)
        assert found.wanted_workers <= 3
        eventually(lambda: all(status(room, photo) is Status.READY for photo in photos), 60)


def test_no_worker_runs_on_after_the_processor_has_stopped(room, draw, eventually):
    """Each has ended by then, or ends at once."""
    before = children()
    stop = threading.Event()
    thread = threading.Thread(target=main, args=(room.config, "eu-west", "test", stop))
    thread.start()
    photo, _ = room.uploaded(draw(1))
    eventually(lambda: status(room, photo) is Status.READY, 60)
    assert children() - before
    stop.set()
    thread.join(60)
    eventually(lambda: not children() - before)


def children() -> set[psutil.Process]:
    """The worker processes of this one, without the resource tracker that Python starts beside them."""
    processes = psutil.Process().children(recursive=True)
    return {child for child in processes if "--multiprocessing-fork" in command_of(child)}


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_stopping_processor_leaves_a_job_that_hangs_to_the_next_processor(room, draw, stuck, eventually):
    """It does not wait for the job; the photo stays `processing` until the next processor finishes it."""
    stop = threading.Event()
    thread = threading.Thread(target=main, args=(room.config, "eu-west", "first", stop))
    photo, _ = room.uploaded(draw(1))
    with stuck.writing(room, photo):
        thread.start()
        eventually(stuck.worker)
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
        assert status(room, photo) is Status.PROCESSING
    stop = threading.Event()
    second = threading.Thread(target=main, args=(room.config, "eu-west", "second", stop))
    second.start()
    eventually(lambda: status(room, photo) is Status.READY, 60)
    stop.set()
    second.join(60)


def change_list(room, text: str) -> None:
    """Returns when it acts: a processor reads the list once a second."""
    room.stores.settings.values.write(KNOWN_BAD, text)
    time.sleep(1.1)


def test_a_changed_list_reaches_the_workers(room, processor, draw, eventually):
    """The next photo is judged by it, although its job has only the version."""
    first, _ = room.uploaded(draw(1))
    eventually(lambda: status(room, first) is Status.READY, 60)
    for number, reject in enumerate([True, False, True], 2):
        listed = f"phash {room.photo(first).perceptual_hash} # {number}" if reject else "sha256 " + "0" * 64
        change_list(room, listed)
        photo, _ = room.uploaded(draw(1), number)
        eventually(lambda photo=photo: status(room, photo) is not Status.PROCESSING, 60)
        assert status(room, photo) is (Status.REJECTED if reject else Status.READY)


def test_no_photo_is_judged_without_the_list_when_its_worker_was_killed(room, draw, eventually):
    """kill -9 of the workers that hold the actors. A photo that comes then waits for both, and not for long."""
    before = children()
    bad, _ = room.uploaded(draw(1), 1)
    with at_work(main, room.config, "eu-west"):
        eventually(lambda: status(room, bad) is Status.READY, 60)
        change_list(room, f"phash {room.photo(bad).perceptual_hash}")
        again, _ = room.uploaded(draw(1), 2)
        eventually(lambda: status(room, again) is Status.REJECTED, 60)
        for worker in children() - before:
            worker.kill()
        start_s = time.monotonic()
        meanwhile, _ = room.uploaded(draw(1), 3)
        good, _ = room.uploaded(draw(2), 4)
        eventually(lambda: status(room, meanwhile) is Status.REJECTED, 60)
        eventually(lambda: status(room, good) is Status.READY, 60)
        assert time.monotonic() - start_s < 20
    assert room.photo(good).near_duplicate_of is None


def test_of_equal_photos_that_come_together_one_is_the_original(room, processor, draw, eventually):
    """Each other one names it; another owner's names none."""
    equal = [room.uploaded(draw(1), number)[0] for number in range(1, 5)]
    others = [room.uploaded(draw(1), 5, owner_id=room.user_id(2))[0], room.uploaded(draw(2), 6)[0]]
    eventually(lambda: all(status(room, photo) is Status.READY for photo in (*equal, *others)), 60)
    named = {photo.photo_id: room.photo(photo).near_duplicate_of for photo in equal}
    assert list(named.values()).count(None) == 1
    original = next(photo_id for photo_id, name in named.items() if name is None)
    assert set(named.values()) == {None, original}
    assert [room.photo(photo).near_duplicate_of for photo in others] == [None, None]


def test_a_photo_is_compared_with_those_of_earlier_runs(room, draw, eventually):
    """What the actor knew went with the cluster; the catalog has it."""
    first, _ = room.uploaded(draw(1), 1)
    with at_work(main, room.config, "eu-west"):
        eventually(lambda: status(room, first) is Status.READY, 60)
    second, _ = room.uploaded(draw(1), 2)
    with at_work(main, room.config, "eu-west"):
        eventually(lambda: status(room, second) is Status.READY, 60)
    assert room.photo(second).near_duplicate_of == first.photo_id


def test_a_processor_does_not_start_with_a_scheduler_that_anybody_may_use(room):
    """Anybody who reaches one without TLS can run anything there. The error says what to do."""
    region = replace(room.config.topology.regions["eu-west"], scheduler="tcp://10.0.3.1:8786")
    config = replace(room.config, topology=Topology({"eu-west": region}, {}))
    with pytest.raises(TopologyError, match=r"must be tls://.*docs/operating\.md"):
        main(config, "eu-west", "test", threading.Event())


def test_a_small_photo_does_not_wait_for_all_of_another_owners_large_ones(room, draw, eventually):
    """Twelve large photos of one person are there first. The small one of another waits for those that run already."""
    large = draw(1, 3000, 2000)
    monsters = [room.uploaded(large, sequence)[0] for sequence in range(1, 13)]
    small, _ = room.uploaded(draw(2), 13, owner_id=room.user_id(2))
    ready: list[str] = []

    def small_is_ready() -> bool:
        stored = [room.photo(photo) for photo in (small, *monsters)]
        ready.extend(one.photo_id for one in stored if one.status is Status.READY and one.photo_id not in ready)
        return small.photo_id in ready

    with at_work(main, room.config, "eu-west"):
        eventually(small_is_ready, 60)
    assert ready.index(small.photo_id) <= len(monsters) // 2


def test_a_photo_that_kills_workers_fails_although_the_processor_was_restarted_in_between(
    room, draw, stuck, eventually
):
    """kill -9 of its worker under one processor, and again under the next: there is no third try."""
    photo, _ = room.uploaded(draw(1))
    with stuck.writing(room, photo):
        with at_work(main, room.config, "eu-west"):
            eventually(stuck.worker).kill()
            eventually(lambda: room.photo(photo).worker_deaths == 1)
        with at_work(main, room.config, "eu-west"):
            eventually(stuck.worker).kill()
            eventually(lambda: status(room, photo) is Status.FAILED)
    assert room.photo(photo).reason.code == "kills-workers"


def test_a_worker_that_is_killed_costs_only_a_retry(room, processor, draw, stuck, eventually):
    """kill -9 in the middle of a photo: another process begins again, and the photo is ready."""
    photo, _ = room.uploaded(draw(1))
    with stuck.writing(room, photo):
        eventually(stuck.worker).kill()
        eventually(lambda: room.photo(photo).worker_deaths == 1)
    eventually(lambda: status(room, photo) is Status.READY)
    assert len(room.variants(photo)) == 4
