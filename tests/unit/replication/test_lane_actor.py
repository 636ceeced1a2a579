"""The actor of a lane in a real cluster: its worker is killed, and replicators go on."""

import os
import signal
import time

import pytest

from regions.cluster.workers import OwnCluster, WorkerSettings
from regions.errors import Unavailable
from replication.budget import LaneSettings
from replication.lane_actor import LaneActor, actor_name
from replication.lane_member import LaneMember
from tests.builders.clusters import open_cluster
from tests.builders.lane_reports import FRESH, lane_report

pytestmark = pytest.mark.xdist_group("dask")

MIB = 1 << 20
OWN = OwnCluster(WorkerSettings(("json",)), 2, 512 * MIB, 512 * MIB)
WIDE = LaneSettings(width=16)
ACTOR = actor_name("eu-west", "us-central")


class ActorWithPid(LaneActor):
    def pid(self) -> int:
        return os.getpid()


def member(cluster, name: str, partitions: list[str]) -> LaneMember:
    report = lane_report(generations=partitions, backlog=dict.fromkeys(FRESH, 100))

    async def measure():
        return report

    actor = cluster.cluster.actor(ACTOR, ActorWithPid)
    return LaneMember(name, actor, measure, lambda: report.generations, lambda: WIDE, lambda limits: None)


def run_until_heard(cluster, each: LaneMember) -> list[int]:
    """Round after round, as in its process; returns the widths that it had in between."""
    widths = []
    while True:
        try:
            cluster.call(each.run_once())
            return widths
        except Unavailable:
            widths.append(each.limits.width)


def test_a_lane_has_its_budgets_again_within_five_seconds_of_the_death_of_its_actor():
    """From the reports of its replicators alone, which go on with the last ones in between."""
    with open_cluster(OWN, 2) as cluster:
        one, other = member(cluster, "a", FRESH[:1]), member(cluster, "b", FRESH[1:])
        for each in (one, other, one):
            run_until_heard(cluster, each)
        assert [each.limits.width for each in (one, other)] == [4, 12]
        pid = cluster.call(cluster.cluster.actor(ACTOR, ActorWithPid).call("pid"))
        killed_s = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        in_between = run_until_heard(cluster, one), run_until_heard(cluster, other)
        took_s = time.monotonic() - killed_s
        assert set(in_between[0]) <= {4} and set(in_between[1]) <= {12}
        assert [each.limits.width for each in (one, other)] == [4, 12]
        assert took_s < 5
