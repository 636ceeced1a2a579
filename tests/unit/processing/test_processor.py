"""The whole processor on real stores and a real Dask cluster: from an event to a photo that is ready."""

import threading

import psutil
import pytest

from processing.photo_cluster import open_cluster
from processing.processor import _keep_cluster, main
from regions.errors import Unavailable
from regions.records import Status
from tests.builders.processes import at_work

pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture
def processor(room):
    """A processor at work, on a thread of this process."""
    with at_work(main, room.config, "eu-west"):
        yield


def status(room, photo) -> Status:
    return room.photo(photo).status


def test_an_upload_becomes_a_photo_that_is_ready(room, processor, draw, eventually):
    """Event, job, record."""
    photo, _ = room.uploaded(draw(1))
    eventually(lambda: status(room, photo) is Status.READY, 60)
    assert len(room.variants(photo)) == 4


def test_a_good_photo_is_ready_although_a_bad_one_failed(room, processor, draw, eventually):
    """Neither stands in the other's way."""
    bad, _ = room.uploaded(b"no photo", sequence=1)
    good, _ = room.uploaded(draw(1), sequence=2)
    eventually(lambda: status(room, good) is Status.READY, 60)
    eventually(lambda: status(room, bad) is Status.FAILED, 60)


def test_nothing_is_left_running(room, draw, eventually):
    """When the processor has stopped, its workers have, or do so at once."""
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
    """The processes of this one that work; not the one that Python keeps to clean up after them."""
    found = psutil.Process().children(recursive=True)
    return {child for child in found if "--multiprocessing-fork" in command_of(child)}


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_processor_that_is_told_to_stop_leaves_what_hangs_to_the_next(room, draw, stuck, eventually):
    """It does not wait for a job that does not end; the photo is still `processing`, and the next one finishes it."""
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
    following = threading.Thread(target=main, args=(room.config, "eu-west", "second", stop))
    following.start()
    eventually(lambda: status(room, photo) is Status.READY, 60)
    stop.set()
    following.join(60)


def test_a_cluster_that_cant_be_started_is_closed_and_ends_the_processor():
    """With the error, so that the process is started again; no job waits for that cluster."""
    cluster, stop, finished = open_cluster("nonsense://nowhere"), threading.Event(), threading.Event()
    with pytest.raises(ValueError, match="nonsense"):
        _keep_cluster(cluster, stop, finished)
    with pytest.raises(Unavailable, match="stopping"):
        cluster.start()
