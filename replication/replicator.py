"""One region's replicator, assembled: a lane to each other region, and erasure at home.

Each lane has threads of its own, and so has each topic within a lane: a region that is unavailable delays only its own
lane, and a deletion never waits behind copies.
"""

import threading
from collections.abc import Mapping
from functools import partial

from regions import daemon
from regions.clock import now_ms, now_s
from regions.config import Config, open_stores
from regions.events.subscription import consume
from regions.events.topics import ERASURE, FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY, lane_group
from regions.node_tokens import NodeSigner
from regions.region_client import RegionClient
from regions.residency.following_loop import FollowingLoop
from regions.residency.live import FollowedRules
from regions.residency.peers import StatementClient
from regions.residency.statement import Purpose
from replication import erasure
from replication.handlers import LaneEnd, LaneHandlers

_COPIES, _DELETIONS, _FOLLOWS = 4, 4, 2
"""How many events of a topic a lane handles at once."""


def main(config: Config, region: str, process_name: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; `process_name` names this process within its region. Any number may run at once."""
    rules = FollowedRules(config.statement_folder(region, "replicator"), config.signers())
    home = daemon.open_when_available(partial(_open_end, config, region, rules), region, stop)
    if home is None:
        return
    try:
        others = [name for name in config.topology.regions if name != region]
        following = _following(config, region, rules)
        lanes = [partial(_run_lane, config, home, name, rules, process_name, stop) for name in others]
        erase = partial(erasure.handle_deleted, home.stores.objects)
        erasing = partial(consume, home.stores.events, PHOTO_DELETED, ERASURE, process_name, erase, _DELETIONS, stop)
        asking = [partial(following.run_forever, name, stop) for name in config.topology.regions]
        daemon.run_together([*lanes, erasing, *asking], stop)
    finally:
        home.stores.close()


def _run_lane(
    config: Config, home: LaneEnd, name: str, rules: FollowedRules, process_name: str, stop: threading.Event
) -> None:
    destination = daemon.open_when_available(partial(_open_end, config, name, rules), name, stop)
    if destination is None:
        return
    lane, events, group = LaneHandlers(home, destination, now_ms), home.stores.events, lane_group(name)
    try:
        daemon.run_together(
            [
                partial(consume, events, PHOTO_DELETED, group, process_name, lane.handle_deleted, _DELETIONS, stop),
                partial(consume, events, PHOTO_READY, group, process_name, lane.handle_ready, _COPIES, stop),
                partial(consume, events, FOLLOW_CHANGED, group, process_name, lane.handle_followed, _FOLLOWS, stop),
            ],
            stop,
        )
    finally:
        destination.stores.close()


def _open_end(config: Config, region: str, rules: FollowedRules) -> LaneEnd:
    return LaneEnd(config.topology.regions[region], open_stores(config, region), partial(rules.of, region))


def _following(config: Config, region: str, rules: FollowedRules) -> FollowingLoop:
    def listed() -> Mapping[str, str]:
        return rules.everywhere().public_keys(region, Purpose.NODE)

    signer = NodeSigner(region, config.private_keys(region, Purpose.NODE), listed, now_s)
    client = StatementClient(RegionClient(signer))
    return FollowingLoop(rules, client, {name: one.origin for name, one in config.topology.regions.items()})
