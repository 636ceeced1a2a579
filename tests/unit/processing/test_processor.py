"""The whole processor on real stores and a real Dask cluster: from an event to a ready photo."""

import threading

import psutil
import pytest

from processing.photo_cluster import open_cluster
from processing.processor import _run_cluster, main
from regions.errors import Unavailable
from regions.records import Status
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


def test_a_photo_becomes_ready_although_another_fails(room, processor, draw, eventually):
    """Neither blocks the other."""
    bad, _ = room.uploaded(b"not a photo", sequence=1)
    good, _ = room.uploaded(draw(1), sequence=2)
    eventually(lambda: status(room, good) is Status.READY, 60)
    eventually(lambda: status(room, bad) is Status.FAILED, 60)


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


def test_a_cluster_that_cannot_be_started_is_closed_and_ends_the_processor():
    """The error is raised, so that the process is started again; no job waits for the cluster."""
    cluster, stop, finished = open_cluster("nonsense://nowhere"), threading.Event(), threading.Event()
    with pytest.raises(ValueError, match="nonsense"):
        _run_cluster(cluster, stop, finished)
    with pytest.raises(Unavailable, match="stopping"):
        cluster.start()
