"""Photo jobs in real workers: a job that hangs, one that raises, and a photo that needs a larger worker."""

from dataclasses import replace

import psutil
import pytest

from processing import job
from processing.photo_cluster import locate, run_job
from processing.worker import Worker
from regions.cluster.dask_cluster import WorkerDied
from regions.errors import TopologyError, Unavailable
from tests.builders.clusters import open_cluster
from tests.builders.processes import has_ended

pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture
def run(room):
    """Runs a job in a worker: `run(request)`."""
    with open_cluster(locate(room.config, "eu-west")) as opened:
        yield lambda request: opened.call(run_job(opened.cluster, request))


def test_a_photo_that_hangs_costs_its_worker(room, draw, run, stuck, in_background, eventually):
    """A job that no longer checks its time would otherwise keep its process forever. That counts as a death."""
    photo, _ = room.uploaded(draw(1))
    # A first job, so that the next one reaches the place where it hangs in time on a slow machine too.
    run(room.request(room.uploaded(draw(2), 2)[0]))
    with stuck.writing(room, photo):
        outcome = in_background(lambda: run(room.request(photo, budget_s=4.0)))
        hung: psutil.Process = eventually(stuck.worker)
        assert isinstance(outcome.exception(200), WorkerDied)
        assert has_ended(hung)
    assert isinstance(run(room.request(photo)), job.Ready)


def test_an_error_of_a_job_is_raised_unchanged(room, draw, run):
    """A fault of ours is not mistaken for a lost cluster, and the worker goes on."""
    photo, _ = room.uploaded(draw(1))
    with pytest.raises(TypeError):
        run(room.request(photo, size_bytes=None))
    assert isinstance(run(room.request(photo)), job.Ready)


def test_a_worker_without_its_secrets_lets_photos_wait(room):
    """That is not the photo's fault, so it is no reason to fail it."""
    worker = Worker(replace(room.config, secrets=room.config.secrets / "nowhere"), None)
    with pytest.raises(Unavailable, match="can't open"):
        worker.objects("eu-west")


def test_a_scheduler_with_tls_needs_its_files(room):
    """The error names those that are missing."""
    region = replace(room.config.topology.regions["eu-west"], scheduler="tls://10.0.3.1:8786")
    config = replace(room.config, topology=replace(room.config.topology, regions={"eu-west": region}))
    with pytest.raises(TopologyError, match=r"eu-west\.dask\.ca.*eu-west\.dask\.cert.*eu-west\.dask\.key"):
        locate(config, "eu-west")
