"""Reports of replicators about one lane, of which a test names only what matters to it."""

from typing import Any

from regions.events.topics import PHOTO_READY, PHOTO_READY_AGAIN
from replication.budget import LaneReport, partition_name
from replication.lane_status import LaneWork

PARTITIONS = {PHOTO_READY: 4, PHOTO_READY_AGAIN: 4}
FRESH, AGAIN = ([partition_name(topic, number) for number in range(4)] for topic in PARTITIONS)


def lane_report(**changes: Any) -> LaneReport:
    """Nothing waits, and the destination has just answered. `generations` may be a list: then all are 1."""
    generations = changes.pop("generations", {})
    if isinstance(generations, list):
        generations = dict.fromkeys(generations, 1)
    idle: dict[str, Any] = {"backlog": {}, "under_way": 0, "answered_s": 0.0, "refused": False}
    return LaneReport(PARTITIONS, generations, **(idle | changes))


def lane_work(**changes: Any) -> LaneWork:
    """Nothing is done, and the destination has just answered."""
    idle: dict[str, Any] = {
        "under_way": 0,
        "set_aside": 0,
        "deletions_aside": 0,
        "copying": 0,
        "oldest_ms": {},
        "oldest_aside_ms": {},
        "sent_bytes": 0,
        "bytes_per_s": 0.0,
        "errors": 0,
        "silent_s": None,
        "put_off": 0,
        "put_off_ms": None,
        "put_off_because": "",
    }
    return LaneWork(**(idle | changes))
