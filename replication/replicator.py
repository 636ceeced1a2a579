"""One region's replicator, assembled: a lane to each other region, and erasure at home.

Each lane has threads of its own, and so has each topic within a lane: a region that is unavailable delays only its own
lane, and a deletion never waits behind copies.
"""

import threading
from functools import partial

from regions import daemon
from regions.clock import now_ms
from regions.config import Config, open_stores
from regions.events.subscription import Handle, Subscription
from regions.events.topics import ERASURE, FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY, lane_group
from regions.residency.live import LivePolicy
from regions.stores.events import Events
from replication import erasure
from replication.handlers import LaneEnd, LaneHandlers

_COPIES, _DELETIONS, _FOLLOWS = 4, 4, 2
"""How many events of a topic a lane handles at once."""


def main(config: Config, region: str, holder: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; `holder` names this process within its region. Any number may run at once."""
    home = daemon.open_when_available(partial(_open_end, config, region), region, stop)
    if home is None:
        return
    try:
        others = [name for name in config.topology.regions if name != region]
        lanes = [partial(_run_lane, config, home, name, holder, stop) for name in others]
        erase = partial(erasure.handle_deleted, home.stores.objects)
        erasing = partial(_consume, home.stores.events, PHOTO_DELETED, ERASURE, holder, erase, _DELETIONS, stop)
        daemon.run_together([*lanes, erasing], stop)
    finally:
        home.stores.close()


def _run_lane(config: Config, home: LaneEnd, name: str, holder: str, stop: threading.Event) -> None:
    destination = daemon.open_when_available(partial(_open_end, config, name), name, stop)
    if destination is None:
        return
    lane, events, group = LaneHandlers(home, destination, now_ms), home.stores.events, lane_group(name)
    try:
        daemon.run_together(
            [
                partial(_consume, events, PHOTO_DELETED, group, holder, lane.handle_deleted, _DELETIONS, stop),
                partial(_consume, events, PHOTO_READY, group, holder, lane.handle_ready, _COPIES, stop),
                partial(_consume, events, FOLLOW_CHANGED, group, holder, lane.handle_followed, _FOLLOWS, stop),
            ],
            stop,
        )
    finally:
        destination.stores.close()


def _open_end(config: Config, region: str) -> LaneEnd:
    stores = open_stores(config, region)
    return LaneEnd(config.topology.regions[region], stores, LivePolicy(stores.settings))


def _consume(
    events: Events, topic: str, group: str, holder: str, handle: Handle, concurrency: int, stop: threading.Event
) -> None:
    subscribe = partial(Subscription, events, topic, group, holder, handle, concurrency)
    subscription = daemon.open_when_available(subscribe, topic, stop)
    if subscription is not None:
        subscription.run_forever(stop)
