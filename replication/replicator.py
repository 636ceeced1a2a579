"""One region's replicator, assembled: a lane to each other region, and erasure at home.

Each lane has threads of its own, and so has each topic within a lane: a region that is unavailable delays only its own
lane, and a deletion never waits behind copies.
"""

import threading
from functools import partial

from regions import daemon
from regions.clock import now_ms
from regions.config import Config, open_stores
from regions.events.subscription import consume
from regions.events.topics import ERASURE, FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY, lane_group
from regions.residency.live import LivePolicy
from replication import erasure
from replication.handlers import LaneEnd, LaneHandlers

_COPIES, _DELETIONS, _FOLLOWS = 4, 4, 2
"""How many events of a topic a lane handles at once."""


def main(config: Config, region: str, process_name: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; `process_name` names this process within its region. Any number may run at once."""
    home = daemon.open_when_available(partial(_open_end, config, region), region, stop)
    if home is None:
        return
    try:
        others = [name for name in config.topology.regions if name != region]
        lanes = [partial(_run_lane, config, home, name, process_name, stop) for name in others]
        erase = partial(erasure.handle_deleted, home.stores.objects)
        erasing = partial(consume, home.stores.events, PHOTO_DELETED, ERASURE, process_name, erase, _DELETIONS, stop)
        daemon.run_together([*lanes, erasing, partial(home.policy.run_forever, stop)], stop)
    finally:
        home.stores.close()


def _run_lane(config: Config, home: LaneEnd, name: str, process_name: str, stop: threading.Event) -> None:
    destination = daemon.open_when_available(partial(_open_end, config, name), name, stop)
    if destination is None:
        return
    lane, events, group = LaneHandlers(home, destination, now_ms), home.stores.events, lane_group(name)
    try:
        daemon.run_together(
            [
                partial(consume, events, PHOTO_DELETED, group, process_name, lane.handle_deleted, _DELETIONS, stop),
                partial(consume, events, PHOTO_READY, group, process_name, lane.handle_ready, _COPIES, stop),
                partial(consume, events, FOLLOW_CHANGED, group, process_name, lane.handle_followed, _FOLLOWS, stop),
                partial(destination.policy.run_forever, stop),
            ],
            stop,
        )
    finally:
        destination.stores.close()


def _open_end(config: Config, region: str) -> LaneEnd:
    stores = open_stores(config, region)
    policy = LivePolicy(stores.settings)
    policy.start()
    return LaneEnd(config.topology.regions[region], stores, policy)
