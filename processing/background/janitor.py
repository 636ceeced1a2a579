"""The janitor of one region, assembled: feeds, the outbox, expired uploads and deleted accounts. Needs no Dask."""

import threading
from functools import partial

from processing.background import erasure, expired_uploads
from processing.background.erasure import Erasure
from processing.background.exclusive import Exclusive
from processing.background.expired_uploads import ExpiredUploads, ShardedSweep
from processing.background.fanout import Fanout
from regions import daemon, janitor_status
from regions.clock import now_ms
from regions.config import Config, Stores, open_stores
from regions.events.outbox import OutboxPublisher
from regions.events.subscription import consume
from regions.events.topics import FANOUT, topics_of
from regions.photo_deletion import PhotoDeletion
from regions.status_reporter import StatusReporter

OUTBOX_EVERY_S = 1.0

_FANOUT_CONCURRENCY = 4
"""How many events of a topic are fanned out at once."""


def main(config: Config, region: str, process_name: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; `process_name` names this process within its region. Any number may run at once.

    Raises the error of a loop that ended unexpectedly.
    """
    stores = daemon.open_when_available(partial(open_stores, config, region), region, stop)
    if stores is None:
        return
    try:
        daemon.run_together(_loops(config, region, process_name, stores, stop), stop)
    finally:
        stores.close()


def _loops(config: Config, region: str, process_name: str, stores: Stores, stop: threading.Event) -> list[daemon.Loop]:
    """Each topic of the fan-out, the outbox, expired and stale uploads, deleted accounts and the status have a loop of
    their own.

    The outbox sweep takes no lock. A request writes its event into the outbox, publishes it and removes it; the sweep
    does the same with events that have waited longer than a request takes. If the request is only slow, or two janitors
    sweep at once, both publish the event. That is harmless, because its consumers are idempotent, while an event whose
    sweeper died holding a lock would wait until the lock expires.
    """
    fanout = Fanout(stores.catalog, stores.feeds, config.topology.regions[region].number)
    outbox = OutboxPublisher(stores.catalog, stores.events, now_ms)
    expired = ExpiredUploads(stores, now_ms)
    deletion = PhotoDeletion(stores.catalog, stores.objects, outbox, now_ms)
    erase = Erasure(stores.catalog, deletion, outbox, now_ms)
    erasures = Exclusive(stores.settings, erasure.LOCK, process_name, erase.run_once)
    uploads = ShardedSweep(stores, expired, process_name)
    stale = Exclusive(stores.settings, expired_uploads.STALE_LOCK, process_name, expired.abort_stale)
    status = StatusReporter(
        stores.settings.values,
        janitor_status.PREFIX,
        process_name,
        lambda: janitor_status.to_text(now_ms()),
        lambda text: janitor_status.is_present(text, now_ms()),
    )
    fan_out = partial(consume, handle=fanout.handle, concurrency=_FANOUT_CONCURRENCY, stop=stop)
    return [
        *(partial(fan_out, stores.events, topic, FANOUT, process_name) for topic in topics_of(FANOUT)),
        partial(daemon.run_forever, outbox.run_once, OUTBOX_EVERY_S, stop, "outbox"),
        partial(daemon.run_forever, uploads.run_once, expired_uploads.EVERY_S, stop, "expired uploads"),
        partial(daemon.run_forever, stale.run_once, expired_uploads.STALE_EVERY_S, stop, "stale uploads", True),
        partial(daemon.run_forever, erasures.run_once, erasure.EVERY_S, stop, "erasure of accounts"),
        partial(status.run, stop),
    ]
