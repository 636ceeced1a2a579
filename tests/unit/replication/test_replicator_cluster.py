"""Two replicators at an operator's scheduler: they share their lanes' actors, and copy without them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from regions.clock import now_ms
from replication import lane_status
from replication.budget import LaneSettings, settings_text
from replication.live_settings import key_of
from replication.replicator import main
from tests.builders.clusters import OperatorsDask

pytestmark = pytest.mark.xdist_group("dask")

WITHIN_S = 60


@pytest.fixture
def dask(tmp_path, eventually):
    running = OperatorsDask(tmp_path, eventually)
    yield running
    running.kill()


@contextmanager
def replicators(regions, scheduler: str, *names: str):
    """As processes of eu-west, in this one."""
    stop, topology = threading.Event(), regions.config.topology
    there = topology.regions | {"eu-west": replace(topology.regions["eu-west"], scheduler=scheduler)}
    config = replace(regions.config, topology=replace(topology, regions=there))
    with ThreadPoolExecutor(len(names)) as threads:
        running = [threads.submit(main, config, "eu-west", name, stop) for name in names]
        try:
            yield
        finally:
            stop.set()
            for each in running:
                each.result(30)


def activity(regions) -> lane_status.LaneActivity | None:
    """Of the lane to eu-central."""
    values = regions.stores["eu-west"].settings.values
    seen = lane_status.present(values.tree(lane_status.PREFIX), now_ms()).get("eu-central", [])
    return lane_status.total(seen) if seen else None


def test_replicators_share_the_width_of_a_lane_and_go_on_without_the_scheduler(regions, dask, eventually):
    """They say when they do not hear the actor. What they may do stays, and so do photos that come."""
    settings = LaneSettings(width=12, backfill_width=4)
    regions.stores["eu-west"].settings.values.write(key_of("eu-central"), settings_text(settings))
    address = dask.start_scheduler()
    dask.start_worker(address)

    def shared() -> bool:
        found = activity(regions)
        return found is not None and (found.replicators, found.alone, found.width, found.backfill_width) == (
            2,
            0,
            12,
            4,
        )

    with replicators(regions, address, "one", "two"):
        eventually(shared, WITHIN_S)
        dask.kill_scheduler()
        eventually(lambda: (found := activity(regions)) and found.alone == 2, WITHIN_S)
        assert (activity(regions).width, activity(regions).backfill_width) == (12, 4)
        photo, _ = regions.add_photo("eu-west")
        eventually(lambda: regions.replicas(photo), WITHIN_S)
