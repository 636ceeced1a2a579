"""A subscription whose events are handled on threads."""

from collections.abc import Callable

from regions.events.subscription import Subscription
from regions.events.work import GiveUpEvent, HandleEvent, LastSteps, ThreadedWork, jittered_s
from regions.stores.events import Events


def threaded(
    events: Events,
    topic: str,
    group: str,
    member: str,
    handle: HandleEvent,
    concurrency: int,
    give_up: GiveUpEvent | None = None,
    pause_s: Callable[[int], float] = jittered_s,
) -> Subscription:
    """As `consume` makes it, and with what to do before an event goes to the dead letters."""
    work = ThreadedWork(handle, LastSteps(events, group, give_up).take, concurrency, pause_s)
    return Subscription(events, topic, group, member, work, concurrency, pause_s)
