"""How many photos a lane copies at once, how fast, and which part of that each of its replicators may do.

Pure: knows no clock, no store and no cluster. A *slot* is the copying of one photo at a time. Slots belong to
partitions of the lane's topics, and a replicator has those of the partitions that are its own. So a process that loses
a partition loses its slots by itself, and parts add up to the whole also while nobody can tell them anew.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from math import ceil

from regions import status_documents
from regions.events.topics import PHOTO_READY, PHOTO_READY_AGAIN
from regions.shares import shares

MOST_AT_ONCE = 96
"""Photos of a topic in one process. Each is a thread, of which as many wait where a lane is paused; a copy waits for
four round trips and more, and has at most 1 MiB in memory."""
MOST_WIDTH = 100_000
LEAST_BYTES_PER_S = 1 << 20
LEASE_S = 10.0
"""What nobody has confirmed for so long counts no more: as long as a group takes to notice that a member is gone."""

# So that an object of 100 MiB is sent within the five minutes that it has (`transfer`), also by half of it.
_BYTES_PER_S_AND_SLOT = 1 << 20
# A process whose breaker is open asks once within this time, and hears the answer.
_TURN_S = 10.0
_ANSWERED_S = 3.0


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What an operator has set. `width` is how many fresh photos the lane copies at once in all its replicators, and
    `backfill_width` how many that were processed again. Without `bytes_per_s` it goes as fast as it can."""

    paused: bool = False
    bytes_per_s: int | None = None
    width: int = 768
    backfill_width: int = 8

    def slots(self) -> dict[str, int]:
        """By topic. Fewer where `bytes_per_s` would leave each too little."""
        most = MOST_WIDTH if self.bytes_per_s is None else max(1, self.bytes_per_s // _BYTES_PER_S_AND_SLOT)
        return {PHOTO_READY: min(self.width, most), PHOTO_READY_AGAIN: min(self.backfill_width, most)}


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What one replicator says of one lane to its actor. Its topics are those with slots (`LaneSettings.slots`).

    `partitions` are how many each topic has. Of those that are its own, `generations` has the generation of each, and
    `backlog` how many events of it are not done; their names are those of `partition_name`. `under_way` events have
    been read and are not done. The destination answered `answered_s` seconds ago, and is `refused` while it does not
    answer this process.
    """

    partitions: Mapping[str, int]
    generations: Mapping[str, int]
    backlog: Mapping[str, int]
    under_way: int
    answered_s: float
    refused: bool


@dataclass(frozen=True, slots=True)
class LaneBudget:
    """What a replicator may do until it hears anew: `slots` by partition; and whether it may ask the destination."""

    slots: Mapping[str, int]
    asks: bool


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """What a budget comes to in one process: how many fresh photos, and again processed ones, it copies at once."""

    paused: bool
    width: int
    backfill_width: int
    bytes_per_s: float | None
    asks: bool


NOTHING = LaneLimits(paused=False, width=0, backfill_width=0, bytes_per_s=None, asks=True)
"""Before anything is known."""


def partition_name(topic: str, partition: int) -> str:
    return f"{topic}:{partition}"


def topic_of(partition: str) -> str:
    return partition.partition(":")[0]


def divide(settings: LaneSettings, partitions: Mapping[str, int], backlog: Mapping[str, int]) -> dict[str, int]:
    """The slots of each partition: those of a topic go to where events wait.

    `backlog` is of the partitions that somebody has reported. Another one keeps its even part: who has it may still be
    at work with that.
    """
    divided: dict[str, int] = {}
    for topic, slots in settings.slots().items():
        count = partitions.get(topic, 0)
        names = [partition_name(topic, number) for number in range(count)]
        divided |= shares(slots, {name: backlog.get(name, slots // count) for name in names}, least=0)
    return divided


def asking(reports: Mapping[str, LaneReport], now_s: float) -> set[str]:
    """Which replicators may ask the destination. While it is silent one asks, each in its turn, of those with work.

    In turns, because the silence may be at the one that asks. It is over with the first answer to any of them.
    `now_s` is of a clock that does not stand still.
    """
    answered = any(not one.refused and one.answered_s < _ANSWERED_S for one in reports.values())
    busy = sorted(name for name, one in reports.items() if one.refused or one.under_way)
    if answered or not any(one.refused for one in reports.values()):
        return set(reports)
    return {busy[int(now_s // _TURN_S) % len(busy)]}


def limits(
    settings: LaneSettings,
    slots: Mapping[str, int],
    divided_by: LaneSettings,
    held: Collection[str],
    partitions: Mapping[str, int],
    asks: bool = True,
) -> LaneLimits:
    """Those of a process that holds these partitions, by the `slots` that it knows; a topic has so many `partitions`.

    The slots were `divided_by` those settings. Where a topic has fewer now, they are less in the same measure; where it
    has more, they stay until somebody divides those. A partition that nobody gave it slots for has the even part.
    Who holds any has one slot at least: what was set aside is in other topics. More than `MOST_AT_ONCE` take another
    process.
    """
    everything, before, mine = settings.slots(), divided_by.slots(), dict[str, int]()
    for topic, all_slots in everything.items():
        here = [name for name in held if topic_of(name) == topic]
        unheard, count = sum(name not in slots for name in here), partitions.get(topic, 0)
        even = ceil(all_slots * min(unheard, count) / count) if count else 0
        # Of the sum, not of each partition: 24 slots of 768 leave each of 96 partitions less than one.
        heard = sum(slots.get(name, 0) for name in here) * min(all_slots, before[topic]) // before[topic]
        mine[topic] = max(heard + even, 1 if held else 0)
    part = sum(mine.values()) / sum(everything.values())
    width, backfill_width = (min(mine[topic], MOST_AT_ONCE) for topic in (PHOTO_READY, PHOTO_READY_AGAIN))
    bytes_per_s = None
    if settings.bytes_per_s is not None:
        # Also what lost its slots is to end what it has begun.
        bytes_per_s = max(settings.bytes_per_s * min(1.0, part), float(_BYTES_PER_S_AND_SLOT))
    return LaneLimits(settings.paused, width, backfill_width, bytes_per_s, asks)


def settings_text(settings: LaneSettings) -> str:
    return status_documents.to_text(settings)


def parse_settings(text: str) -> LaneSettings:
    """What a field of the text lacks is as by default. Raises ValueError, which says what is wrong."""
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is no JSON") from error
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    found = status_documents.from_value(LaneSettings, asdict(LaneSettings()) | document)
    if found is None:
        raise ValueError("a field has another type")
    return checked(found)


def checked(settings: LaneSettings) -> LaneSettings:
    """Raises ValueError, which says what is wrong."""
    for name, width in (("width", settings.width), ("backfill_width", settings.backfill_width)):
        if not 1 <= width <= MOST_WIDTH:
            raise ValueError(f"{name} must lie between 1 and {MOST_WIDTH}; a lane that is to rest is paused")
    if settings.bytes_per_s is not None and settings.bytes_per_s < LEAST_BYTES_PER_S:
        raise ValueError(f"bytes_per_s must be at least {LEAST_BYTES_PER_S:,}; a lane that is to rest is paused")
    return settings
