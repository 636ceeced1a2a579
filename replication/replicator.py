"""One region's replicator, assembled: a lane to each other region, and erasure at home.

It opens its own region's stores and no other's: a lane speaks to the other region's origin, and PUTs objects to URLs
that this one has signed. Each lane has threads of its own, and so has each topic within a lane: a region that is
unavailable delays only its own lane, and a deletion never waits behind copies.
"""

import importlib
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import cast
from uuid import uuid4

from regions import config as configuration
from regions import daemon
from regions.breaker import BreakerLimits
from regions.bulkheads import BulkheadLimits
from regions.clock import now_ms, now_s
from regions.cluster.actor_here import ActorCluster, ActorHere
from regions.config import Config, open_stores
from regions.daemon import Loop
from regions.events.subscription import consume
from regions.events.topics import ERASURE, PHOTO_DELETED
from regions.node_tokens import NodeSigner
from regions.region_client import RegionClient
from regions.residency.audit import AuditTrail
from regions.residency.following_loop import FollowingLoop
from regions.residency.live import FollowedRules
from regions.residency.peers import StatementClient
from regions.residency.statement import Purpose
from regions.status_reporter import StatusReporter
from replication import border, erasure, lane_member, lane_status
from replication.allowance import Allowance
from replication.border import Border
from replication.handlers import LaneHome
from replication.lane import DELETIONS, FOLLOWS, Lane
from replication.lane_actor import LaneActor, actor_name
from replication.lane_member import LaneMember
from replication.lane_status import LaneStatus
from replication.live_settings import LiveSettings
from replication.transfer import Sender

_BORDER = BulkheadLimits(
    at_once=border.AT_ONCE + FOLLOWS,
    queued=0,
    queue_s=0.0,
    breaker=BreakerLimits(waiting=2, silent_s=5.0, first_open_s=1.0, max_open_s=5.0),
)
"""Events wait anyhow while a region is away, so it may be asked again soon."""
_STORE_CALLS = 4


def main(config: Config, region: str, process_name: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; `process_name` names this process within its region. Any number may run at once."""
    cluster = _shared_cluster(config, region)
    rules = FollowedRules(config.statement_folder(region, "replicator"), config.signers())
    home = daemon.open_when_available(partial(_open_home, config, region, rules), region, stop)
    if home is None:
        return
    client = RegionClient(_signer(config, region, rules), _BORDER)
    threads = ThreadPoolExecutor(_STORE_CALLS, thread_name_prefix="backlog")
    try:
        live = daemon.open_when_available(partial(LiveSettings, home.stores.settings.values), region, stop)
        if live is None:
            return
        others = [name for name in config.topology.regions if name != region]
        lanes = [_lane(config, home, name, client, threads) for name in others]
        following = _following(config, rules, client)
        erase = partial(erasure.handle_deleted, home.stores.objects)
        loops: list[Loop] = [
            *(partial(lane.run, process_name, stop) for lane in lanes),
            partial(consume, home.stores.events, PHOTO_DELETED, ERASURE, process_name, erase, DELETIONS, stop),
            partial(live.run_forever, stop),
            partial(_keep_budgets, home, lanes, live, cluster, process_name, stop),
            *(partial(following.run_forever, name, stop) for name in config.topology.regions),
        ]
        daemon.run_together(loops, stop)
    finally:
        threads.shutdown(wait=True)
        client.close()
        home.stores.close()


def _lane(config: Config, home: LaneHome, name: str, client: RegionClient, threads: ThreadPoolExecutor) -> Lane:
    destination, allowance = config.topology.regions[name], Allowance()
    sender = Sender(configuration.object_address(config, name), allowance.spend)
    return Lane(home, destination, Border(destination, client), sender, allowance, client, threads)


def _shared_cluster(config: Config, region: str) -> ActorCluster | None:
    """Raises TopologyError. None without a scheduler: then the lanes' actors are in this process (ADR 24)."""
    if not config.topology.regions[region].scheduler:
        return None
    # Not at the top: Dask takes 32 MB, for nothing where there is no scheduler.
    location = importlib.import_module("regions.cluster.location")
    return cast(ActorCluster, location.shared_cluster(config, region))


def _keep_budgets(
    home: LaneHome,
    lanes: list[Lane],
    live: LiveSettings,
    cluster: ActorCluster | None,
    process_name: str,
    stop: threading.Event,
) -> None:
    name, region = f"{process_name}-{uuid4().hex}", home.region.name

    def member(lane: Lane) -> LaneMember:
        shared = actor_name(region, lane.destination)
        actor = cluster.actor(shared, LaneActor) if cluster else ActorHere(LaneActor())
        return lane.member(name, actor, partial(live.of, lane.destination))

    members = {lane.destination: member(lane) for lane in lanes}
    reporter = StatusReporter(
        home.stores.settings.values,
        lane_status.PREFIX,
        process_name,
        lambda: lane_status.to_text(_statuses(lanes, members)),
        lambda text: lane_status.is_present(text, now_ms()),
    )
    parts = [
        reporter.run_forever,
        *(run for each in members.values() for run in (each.adjust_forever, each.run_forever)),
    ]
    lane_member.run_together(parts, cluster, stop)


def _statuses(lanes: Iterable[Lane], members: Mapping[str, LaneMember]) -> dict[str, LaneStatus]:
    return {
        lane.destination: LaneStatus(now_ms(), lane.work(), member.limits, member.is_heard)
        for lane, member in ((lane, members[lane.destination]) for lane in lanes)
    }


def _open_home(config: Config, region: str, rules: FollowedRules) -> LaneHome:
    stores = open_stores(config, region)
    audit = AuditTrail(stores.catalog, now_ms)
    return LaneHome(config.topology.regions[region], stores, partial(rules.of, region), audit)


def _signer(config: Config, region: str, rules: FollowedRules) -> NodeSigner:
    def listed() -> Mapping[str, str]:
        return rules.everywhere().public_keys(region, Purpose.NODE)

    return NodeSigner(region, config.private_keys(region, Purpose.NODE), listed, now_s)


def _following(config: Config, rules: FollowedRules, client: RegionClient) -> FollowingLoop:
    origins = {name: one.origin for name, one in config.topology.regions.items()}
    return FollowingLoop(rules, StatementClient(client), origins)
