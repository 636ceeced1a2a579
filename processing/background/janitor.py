"""The janitor of one region, assembled: feed fan-out, the outbox sweep, expired uploads. Needs no Dask."""

import threading
from functools import partial

from processing.background import expired_uploads
from processing.background.exclusive import Exclusive
from processing.background.expired_uploads import ExpiredUploads
from processing.background.fanout import Fanout
from regions import daemon
from regions.clock import now_ms
from regions.config import Config, Stores, open_stores
from regions.events.outbox import Outbox
from regions.events.subscription import Subscription
from regions.events.topics import FANOUT, topics_of

OUTBOX_EVERY_S = 1.0

_FANOUT_CONCURRENCY = 4
"""How many events of a topic are fanned out at once."""


def main(config: Config, region: str, holder: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; `holder` names this process within its region. Any number may run at once.

    Raises the error of a loop that ended unexpectedly.
    """
    stores = daemon.open_when_available(partial(open_stores, config, region), region, stop)
    if stores is None:
        return
    try:
        daemon.run_together(_loops(config, region, holder, stores, stop), stop)
    finally:
        stores.close()


def _loops(config: Config, region: str, holder: str, stores: Stores, stop: threading.Event) -> list[daemon.Loop]:
    """Each topic of the fan-out, the outbox and the expired uploads have a loop of their own.

    The outbox sweep takes no lock. A request writes its event into the outbox, publishes it and removes it; the sweep
    does the same with events that have waited longer than a request takes. If the request is only slow, or two janitors
    sweep at once, both publish the event. That is harmless, because its consumers are idempotent, while an event whose
    sweeper died holding a lock would wait until the lock expires.
    """
    fanout = Fanout(stores.catalog, stores.feeds, config.topology.regions[region].number)
    outbox = Outbox(stores.catalog, stores.events, now_ms)
    expired = ExpiredUploads(stores, now_ms)
    uploads = Exclusive(stores.settings, expired_uploads.LOCK, holder, expired.run_once)
    subscriptions = [
        Subscription(stores.events, topic, FANOUT, holder, fanout.handle, _FANOUT_CONCURRENCY)
        for topic in topics_of(FANOUT)
    ]
    return [
        *(partial(subscription.run_forever, stop) for subscription in subscriptions),
        partial(daemon.run_forever, outbox.run_once, OUTBOX_EVERY_S, stop, "outbox"),
        partial(daemon.run_forever, uploads.run_once, expired_uploads.EVERY_S, stop, "expired uploads"),
    ]
