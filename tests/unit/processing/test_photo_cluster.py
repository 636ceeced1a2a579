"""Photo jobs on Dask: workers that are killed or hang in the middle of a photo, and what becomes of the photo."""

from dataclasses import replace

import psutil
import pytest

from processing import job
from processing.photo_cluster import open_cluster, run_job
from regions.errors import Unavailable
from tests.builders.processes import has_ended

pytestmark = pytest.mark.xdist_group("dask")

# Workers start slowly on a busy machine: only the test of a job that hangs waits for the end of this.
GRACE_S = 120.0


@pytest.fixture(scope="module")
def cluster():
    made = open_cluster("")
    yield made
    made.close()


def test_a_worker_that_is_killed_costs_only_a_retry(room, draw, cluster, stuck, in_background, eventually):
    """kill -9 in the middle of a photo: another process begins again, and the photo is ready."""
    photo, _ = room.uploaded(draw(1))
    with stuck.writing(room, photo):
        outcome = in_background(lambda: run_job(cluster, room.request(photo), GRACE_S))
        eventually(stuck.worker).kill()
    assert isinstance(outcome.result(200), job.Ready)
    assert len(room.variants(photo)) == 4


def test_a_photo_that_keeps_killing_workers_is_rejected(room, draw, cluster, stuck, in_background, eventually):
    """After the third death the photo is to blame; the next photo finds a worker."""
    photo, _ = room.uploaded(draw(1))
    with stuck.writing(room, photo):
        outcome = in_background(lambda: run_job(cluster, room.request(photo), GRACE_S))
        for _ in range(3):
            worker = eventually(stuck.worker)
            worker.kill()
            eventually(lambda worker=worker: has_ended(worker))
        assert outcome.result(200).reason.code == "kills-workers"
    assert isinstance(run_job(cluster, room.request(photo), GRACE_S), job.Ready)


def test_a_photo_that_hangs_is_rejected_and_its_worker_replaced(room, draw, cluster, stuck, in_background, eventually):
    """A job that no longer checks its deadline would otherwise keep its process forever."""
    photo, _ = room.uploaded(draw(1))
    # A first job, so that the next one reaches the place where it hangs in time on a slow machine too.
    run_job(cluster, room.request(room.uploaded(draw(2), 2)[0]), GRACE_S)
    with stuck.writing(room, photo):
        outcome = in_background(lambda: run_job(cluster, room.request(photo, budget_s=8.0), grace_s=4.0))
        hung: psutil.Process = eventually(stuck.worker)
        assert outcome.result(200).reason.code == "timed-out"
        eventually(lambda: has_ended(hung))
    assert isinstance(run_job(cluster, room.request(photo), GRACE_S), job.Ready)


def test_an_error_of_a_job_is_raised_unchanged(room, draw, cluster):
    """A store that is unavailable raises Unavailable, which is retried; a fault of ours is not mistaken for that."""
    photo, _ = room.uploaded(draw(1))
    with pytest.raises(AttributeError):
        run_job(cluster, room.request(photo, known_bad=None), GRACE_S)
    nowhere = replace(room.config, secrets=room.config.secrets / "nowhere")
    with pytest.raises(Unavailable, match="can't open"):
        run_job(cluster, replace(room.request(photo), config=nowhere), GRACE_S)
    assert isinstance(run_job(cluster, room.request(photo), GRACE_S), job.Ready)
