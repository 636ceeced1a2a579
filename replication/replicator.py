"""One region's replicator: a lane to each other region, and erasure at home.

Each lane has threads of its own, and within it each topic: a region that is away delays its own lane only, and
a deletion never waits behind copies.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from regions.clock import now_ms
from regions.config import Config, open_stores
from regions.errors import Problem
from regions.events.subscription import Handle, Subscription
from regions.events.topics import FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY
from regions.residency.live import LivePolicy
from regions.retry import backoff_s
from regions.stores.events import Events
from replication.erasure import Erasure
from replication.handlers import End, Lane

log = logging.getLogger(__name__)

ERASURE = "erasure"

_COPIES, _DELETIONS, _FOLLOWS = 4, 4, 2
"""How many events of a topic a lane works on at once."""

Opened = TypeVar("Opened")
Job = Callable[[], None]


def group_of(destination: str) -> str:
    """The consumer group of the lane to that region."""
    return f"lane-{destination}"


def main(config: Config, region: str, holder: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; `holder` names this process among its region's. Any number may run at once."""
    home = _when_there(partial(_open_end, config, region), region, stop)
    if home is None:
        return
    try:
        others = [name for name in config.topology.regions if name != region]
        lanes = [partial(_run_lane, config, home, name, holder, stop) for name in others]
        erase = Erasure(home.stores.objects).deleted
        _together([*lanes, _job(home.stores.events, PHOTO_DELETED, ERASURE, holder, erase, _DELETIONS, stop)], stop)
    finally:
        home.stores.close()


def _run_lane(config: Config, home: End, name: str, holder: str, stop: threading.Event) -> None:
    destination = _when_there(partial(_open_end, config, name), name, stop)
    if destination is None:
        return
    lane, events, group = Lane(home, destination, now_ms), home.stores.events, group_of(name)
    try:
        _together(
            [
                _job(events, PHOTO_DELETED, group, holder, lane.deleted, _DELETIONS, stop),
                _job(events, PHOTO_READY, group, holder, lane.ready, _COPIES, stop),
                _job(events, FOLLOW_CHANGED, group, holder, lane.followed, _FOLLOWS, stop),
            ],
            stop,
        )
    finally:
        destination.stores.close()


def _open_end(config: Config, region: str) -> End:
    stores = open_stores(config, region)
    return End(config.topology.regions[region], stores, LivePolicy(stores.settings))


def _job(events: Events, topic: str, group: str, holder: str, handle: Handle, width: int, stop: threading.Event) -> Job:
    def consume() -> None:
        subscription = _when_there(lambda: Subscription(events, topic, group, holder, handle, width), topic, stop)
        if subscription is not None:
            subscription.run_forever(stop)

    return consume


def _together(jobs: Sequence[Job], stop: threading.Event) -> None:
    """Runs them at once. Where one fails, all stop and its error is raised, so that the process is started anew."""
    with ThreadPoolExecutor(len(jobs)) as threads:
        running = [threads.submit(_then_stop, job, stop) for job in jobs]
    for one in running:
        one.result()


def _then_stop(job: Job, stop: threading.Event) -> None:
    try:
        job()
    finally:
        stop.set()


def _when_there(opening: Callable[[], Opened], what: str, stop: threading.Event) -> Opened | None:
    """What `opening` gives, however long it takes until it does; None where `stop` was set first."""
    attempt = 0
    while not stop.is_set():
        try:
            return opening()
        except Problem as error:
            log.warning("waiting until it is there", extra={"what": what, "error": error.detail})
            stop.wait(backoff_s(attempt, random.random))
            attempt += 1
    return None
