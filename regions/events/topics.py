"""The one table of topics: which consumer groups read each topic, and which process runs each group.

Processes subscribe by this table, `darkroom doctor` reads each group's lag by it, and the picture in `docs/` is drawn
from it. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

PHOTOS_UPLOADED = "photos_uploaded"
PHOTOS_DEFERRED = "photos_deferred"
PHOTOS_BACKFILL = "photos_backfill"
PHOTO_READY = "photo_ready"
PHOTO_READY_AGAIN = "photo_ready_again"
PHOTO_DELETED = "photo_deleted"
PHOTO_REFERENCED = "photo_referenced"
FOLLOW_CHANGED = "follow_changed"
RECORD_CHANGED = "record_changed"
LANES_IN_A_MINUTE = "lanes_in_a_minute"
LANES_IN_TEN_MINUTES = "lanes_in_ten_minutes"
LANES_IN_AN_HOUR = "lanes_in_an_hour"
DEAD_LETTERS = "dead_letters"

PROCESSOR, FANOUT, ERASURE, LANE = "processor", "fanout", "erasure", "lane"


@dataclass(frozen=True, slots=True)
class Topic:
    """`key` names what orders the events; `groups` read the topic. `lane` stands for one group per region."""

    name: str
    key: str
    groups: tuple[str, ...]


TABLE = (
    Topic(PHOTOS_UPLOADED, "photo", (PROCESSOR,)),
    # The same events again: those of an owner who uploads so many that others would wait behind them.
    Topic(PHOTOS_DEFERRED, "photo", (PROCESSOR,)),
    # Photos that an operator has processed again.
    Topic(PHOTOS_BACKFILL, "photo", (PROCESSOR,)),
    Topic(PHOTO_READY, "photo", (FANOUT, LANE)),
    # Photos that were processed again: lanes copy what is new of them, and nothing fresh waits behind them.
    Topic(PHOTO_READY_AGAIN, "photo", (LANE,)),
    Topic(PHOTO_DELETED, "photo", (ERASURE, LANE)),
    Topic(PHOTO_REFERENCED, "photo", (FANOUT,)),
    Topic(FOLLOW_CHANGED, "author", (FANOUT, LANE)),
    # A record of which another region has a copy (`regions.border.kinds`).
    Topic(RECORD_CHANGED, "record", (LANE,)),
    # Events that a lane could not handle, until they are due again (`set_aside`).
    Topic(LANES_IN_A_MINUTE, "of its event", (LANE,)),
    Topic(LANES_IN_TEN_MINUTES, "of its event", (LANE,)),
    Topic(LANES_IN_AN_HOUR, "of its event", (LANE,)),
    Topic(DEAD_LETTERS, "of its event", ()),
)

ENVELOPES = frozenset({LANES_IN_A_MINUTE, LANES_IN_TEN_MINUTES, LANES_IN_AN_HOUR, DEAD_LETTERS})
"""The topics whose events each contain one of another topic."""

TOPICS = tuple(topic.name for topic in TABLE)

PROCESS_OF_GROUP = {PROCESSOR: "processor", FANOUT: "janitor", ERASURE: "replicator", LANE: "replicator"}
"""The kind of process that runs each group."""


def topics_of(group: str) -> list[str]:
    return [topic.name for topic in TABLE if group in topic.groups]


def lane_group(destination: str) -> str:
    """The consumer group of the lane to that region."""
    return f"{LANE}-{destination}"


def readers(other_regions: Iterable[str]) -> list[tuple[str, str]]:
    """(topic, consumer group) of every reader of a region's event log, given the other regions' names."""
    others = list(other_regions)
    return [
        (topic.name, name)
        for topic in TABLE
        for group in topic.groups
        for name in ([lane_group(other) for other in others] if group == LANE else [group])
    ]
