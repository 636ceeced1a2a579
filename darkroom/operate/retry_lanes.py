"""`darkroom lanes retry`: what lanes gave up becomes events again, which they try at once.

Each lane's dead letters are read by a consumer group of its own, which commits page by page what is published: a second
call finds only new ones, and one that was stopped goes on. At worst a page is published twice, which does no harm. (A
Kafka forgets after a week how far a group was. Then all are published once more.)
"""

import re
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from darkroom import error_messages, terminal
from darkroom.operate import one_region, operators
from darkroom.operate.diagnosis import DEAD
from darkroom.operate.operators import ActingOperator
from regions import config
from regions.clock import now_ms
from regions.config import Config
from regions.errors import Unavailable
from regions.events.messages import Event, UnreadableEvent
from regions.events.set_aside import SetAside, from_dead_letter, to_event
from regions.events.topics import DEAD_LETTERS, lane_group
from regions.residency.statement import Role
from regions.stores.events import Consumer, Delivery, Events

PAGE = 100
_POLL_S = 1.0
MOST_EMPTY_POLLS = 30
"""So often in a row nothing may come, although letters are left, as while somebody else reads them."""
_MAX_EXAMPLE_CHARS = 100


@dataclass(slots=True)
class Retried:
    """`counts` has how many events there were by cause, `examples` an error of each. `unreadable` ones stay letters."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    unreadable: int = 0

    def add(self, error: str) -> None:
        cause = cause_of(error)
        self.counts[cause] = self.counts.get(cause, 0) + 1
        self.examples.setdefault(cause, error[:_MAX_EXAMPLE_CHARS])


def cause_of(error: str) -> str:
    """What kind of error a dead letter has: the name before its bracket, as of a Python exception. Pure."""
    named = re.match(r"([A-Za-z_]\w{0,59})\(", error)
    return named[1] if named else "other"


def command(options: Namespace) -> int:
    """Runs `darkroom lanes retry`."""
    loaded, homes = one_region.named_or_all(options)
    if options.to is not None:
        homes = one_region.with_lane_to(loaded, options, homes, options.to)
    operator = None if options.dry_run else operators.require(options, loaded, Role.OPERATOR)
    found, away = dict[tuple[str, str], Retried](), dict[str, Unavailable]()
    for home in homes:
        try:
            for to, lane in _retry_from(loaded, home, options.to, operator):
                found[home, to] = lane
        except Unavailable as error:
            away[home] = error
    _show(found, options.dry_run, Console())
    for home, why in away.items():
        error_messages.report(why, f"Not all of {home} could be tried: ")
    return 1 if away else 0


def _retry_from(
    loaded: Config, home: str, to: str | None, operator: ActingOperator | None
) -> Iterator[tuple[str, Retried]]:
    """Of each lane of one region, with its destination; without an operator, a dry run. Raises Unavailable.

    The act is logged once the dead letters can be read: it does not stand where nothing was done.
    """
    others = [name for name in loaded.topology.regions if name != home and to in (None, name)]
    with closing(config.open_events(loaded, home)) as events:
        events.lag(*DEAD)
        if operator is not None:
            with closing(config.open_settings(loaded, home)) as settings:
                operator.begins(settings.values, home, "lanes retry", f"to: {to or 'all'}")
        for name in others:
            yield name, retry(events, lane_group(name), operator is None, now_ms)


def retry(events: Events, lane: str, dry_run: bool, clock_ms: Callable[[], int]) -> Retried:
    """Of the letters that are there now. `dry_run` changes nothing, so that the next call finds them again.

    Raises Unavailable.
    """
    found, group = Retried(), f"retry-{lane}"
    left = sum(events.lag(DEAD_LETTERS, group).values())
    if left:
        with closing(events.consumer(DEAD_LETTERS, group, "operator")) as consumer:
            while left > 0:
                deliveries = _page(consumer, min(left, PAGE))
                left -= len(deliveries)
                again = _again(deliveries, lane, clock_ms(), found)
                if not dry_run:
                    events.publish([to_event(one, clock_ms()) for one in again])
                    _commit(consumer, deliveries)
    return found


def _page(consumer: Consumer, limit: int) -> list[Delivery]:
    for _ in range(MOST_EMPTY_POLLS):
        if deliveries := consumer.poll(limit, _POLL_S):
            return deliveries
    raise Unavailable("the dead letters did not come: does somebody else give this command at the moment?")


def _again(deliveries: Iterable[Delivery], lane: str, at_ms: int, found: Retried) -> list[SetAside]:
    """The lane's events. Adds them to what was `found`."""
    again = []
    for letter in (delivery.event for delivery in deliveries):
        try:
            one = from_dead_letter(letter, lane, at_ms) if isinstance(letter, Event) else None
        except UnreadableEvent:
            found.unreadable += 1
            continue
        if one is not None:
            found.add(one.error)
            again.append(one)
    return again


def _commit(consumer: Consumer, deliveries: Iterable[Delivery]) -> None:
    for partition, offset in {delivery.partition: delivery.offset for delivery in deliveries}.items():
        consumer.commit(partition, offset)


def _show(found: dict[tuple[str, str], Retried], dry_run: bool, console: Console) -> None:
    shown = Table("from", "to", "cause", "events", "for example", box=None)
    for (home, to), lane in found.items():
        for cause, count in sorted(lane.counts.items(), key=lambda one: -one[1]):
            shown.add_row(home, to, terminal.text(cause), f"{count:,}", terminal.text(lane.examples[cause]))
    if shown.row_count:
        console.print(shown)
    total = sum(sum(lane.counts.values()) for lane in found.values())
    events = "1 event" if total == 1 else f"{total:,} events"
    if not total:
        console.print("There are no dead letters of lanes that were not retried already.")
    elif dry_run:
        console.print(f"{events} would be tried again. Without --dry-run they are.", highlight=False)
    else:
        console.print(f"[green]✓[/] {events} will be tried again within a minute.", highlight=False)
    if unreadable := sum(lane.unreadable for lane in found.values()):
        console.print(f"[yellow]{unreadable:,} more can't be read by this version, and stay as they are.[/]")
