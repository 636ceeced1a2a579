"""One region's replicator, assembled: a lane to each other region, and erasure at home.

It opens its own region's stores and no other's: a lane speaks to the other region's origin, and PUTs objects to URLs
that this one has signed. Each lane has threads of its own, and so has each topic within a lane: a region that is
unavailable delays only its own lane, and a deletion never waits behind copies.
"""

import threading
from collections.abc import Mapping
from contextlib import closing
from functools import partial

from regions import config as configuration
from regions import daemon
from regions.breaker import BreakerLimits
from regions.bulkheads import BulkheadLimits
from regions.clock import now_ms, now_s
from regions.config import Config, open_stores
from regions.events import lanes
from regions.events.lanes import LaneTopic
from regions.events.subscription import consume
from regions.events.topics import ERASURE, FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY, lane_group
from regions.node_tokens import NodeSigner
from regions.region_client import RegionClient
from regions.residency.audit import AuditTrail
from regions.residency.following_loop import FollowingLoop
from regions.residency.live import FollowedRules
from regions.residency.peers import StatementClient
from regions.residency.statement import Purpose
from replication import border, erasure
from replication.border import Border
from replication.handlers import LaneHandlers, LaneHome
from replication.transfer import Sender

_COPIES, _DELETIONS, _FOLLOWS = 96, 16, 2
"""How many events of a topic a lane handles at once. A copy waits for four round trips and more, and has at most 1 MiB
in memory; what deletions and copies ask goes together in few requests."""
_BORDER = BulkheadLimits(
    at_once=border.AT_ONCE + _FOLLOWS,
    queued=0,
    queue_s=0.0,
    breaker=BreakerLimits(waiting=2, silent_s=5.0, first_open_s=1.0, max_open_s=5.0),
)
"""Events wait anyhow while a region is away, so it may be asked again soon."""


def main(config: Config, region: str, process_name: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; `process_name` names this process within its region. Any number may run at once."""
    rules = FollowedRules(config.statement_folder(region, "replicator"), config.signers())
    home = daemon.open_when_available(partial(_open_home, config, region, rules), region, stop)
    if home is None:
        return
    client = RegionClient(_signer(config, region, rules), _BORDER)
    try:
        others = [name for name in config.topology.regions if name != region]
        following = _following(config, rules, client)
        running = [partial(_run_lane, config, home, name, client, process_name, stop) for name in others]
        erase = partial(erasure.handle_deleted, home.stores.objects)
        erasing = partial(consume, home.stores.events, PHOTO_DELETED, ERASURE, process_name, erase, _DELETIONS, stop)
        asking = [partial(following.run_forever, name, stop) for name in config.topology.regions]
        daemon.run_together([*running, erasing, *asking], stop)
    finally:
        client.close()
        home.stores.close()


def _run_lane(
    config: Config, home: LaneHome, name: str, client: RegionClient, process_name: str, stop: threading.Event
) -> None:
    destination, sender = config.topology.regions[name], Sender(configuration.object_address(config, name))
    with closing(Border(destination, client)) as there:
        lane = LaneHandlers(home, destination, there, sender, now_ms)
        topics = {
            PHOTO_DELETED: LaneTopic(lane.handle_deleted, _DELETIONS),
            PHOTO_READY: LaneTopic(lane.handle_ready, _COPIES),
            FOLLOW_CHANGED: LaneTopic(lane.handle_followed, _FOLLOWS),
        }
        daemon.run_together(lanes.loops(home.stores.events, lane_group(name), process_name, topics, stop), stop)


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
