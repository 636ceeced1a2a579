"""What replicators say of their lanes in the settings, for people, and what several of them say together.

One document for each process, by destination; programs of two versions read each other's. Pure.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass

from regions import status_documents
from regions.events.topics import PHOTO_READY_AGAIN
from regions.stores.settings import Setting
from replication.budget import LaneLimits

PREFIX = "replication/status/"
"""Of the settings with the statuses; behind it comes the process's name."""


@dataclass(frozen=True, slots=True)
class LaneWork:
    """What one replicator does in one lane.

    `under_way` events have been read and are not done, `copying` photos are being copied, and `set_aside` events wait
    to be tried again, and `deletions_aside` besides: as a rule until nothing of their photos can arrive. `oldest_ms`
    has the time of the oldest event that is under way, by topic, and `oldest_aside_ms` that of those set aside.
    `sent_bytes` and `errors` are counted since the process started. While the destination does not answer this process,
    it has been silent for `silent_s`. `put_off` events are tried on and on in their place, because a store or the
    destination puts them off: the first since `put_off_ms`, the last `put_off_because` of that.
    """

    under_way: int
    set_aside: int
    deletions_aside: int
    copying: int
    sent_bytes: int
    oldest_ms: Mapping[str, int]
    oldest_aside_ms: Mapping[str, int]
    bytes_per_s: float
    errors: int
    silent_s: float | None
    put_off: int
    put_off_ms: int | None
    put_off_because: str


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """Of one lane in one replicator. `is_heard` is whether its limits are those of the lane's actor, and not the last
    that it heard."""

    at_ms: int
    work: LaneWork
    limits: LaneLimits
    is_heard: bool


@dataclass(frozen=True, slots=True)
class LaneActivity:
    """Of one lane in all its replicators, at least one.

    `oldest_ms` and `oldest_aside_ms` are the least; `put_off_because` is of the process in which that began first.
    `refusing` of them get no answer from the destination, which has
    been silent to one of them for `silent_s` and to the others for longer; `alone` of them do not hear the lane's
    actor.
    """

    replicators: int
    under_way: int
    set_aside: int
    deletions_aside: int
    copying: int
    oldest_ms: Mapping[str, int]
    oldest_aside_ms: Mapping[str, int]
    bytes_per_s: float
    errors: int
    put_off: int
    put_off_ms: int | None
    put_off_because: str
    silent_s: float | None
    refusing: int
    alone: int
    width: int
    backfill_width: int


def to_text(statuses: Mapping[str, LaneStatus]) -> str:
    return json.dumps({name: asdict(status) for name, status in statuses.items()}, separators=(",", ":"))


def from_text(text: str) -> dict[str, LaneStatus]:
    """By destination. What this program can't read is left out."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    read = {name: _from_value(value) for name, value in document.items()}
    return {name: status for name, status in read.items() if status is not None}


def _from_value(value: object) -> LaneStatus | None:
    match value:
        case {"at_ms": int(at_ms), "work": work, "limits": limits, "is_heard": bool(is_heard)}:
            read = status_documents.from_value(LaneWork, work)
            may = status_documents.from_value(LaneLimits, limits)
            return LaneStatus(at_ms, read, may, is_heard) if read and may else None
    return None


def is_present(text: str, now_ms: int) -> bool:
    """Whether the replicator that wrote this is there."""
    return any(status_documents.is_present(status.at_ms, now_ms) for status in from_text(text).values())


def present(settings: Mapping[str, Setting], now_ms: int) -> dict[str, list[LaneStatus]]:
    """Those of the replicators that are there, by destination; `settings` are all below `PREFIX`."""
    found: dict[str, list[LaneStatus]] = {}
    for setting in settings.values():
        for destination, status in from_text(setting.value).items():
            if status_documents.is_present(status.at_ms, now_ms):
                found.setdefault(destination, []).append(status)
    return found


def total(statuses: Collection[LaneStatus]) -> LaneActivity:
    works, limits = [one.work for one in statuses], [one.limits for one in statuses]
    silent_s = [work.silent_s for work in works if work.silent_s is not None]
    first_put_off = min(
        ((work.put_off_ms, work.put_off_because) for work in works if work.put_off_ms is not None), default=(None, "")
    )
    return LaneActivity(
        replicators=len(works),
        under_way=sum(work.under_way for work in works),
        set_aside=sum(work.set_aside for work in works),
        deletions_aside=sum(work.deletions_aside for work in works),
        copying=sum(work.copying for work in works),
        oldest_ms=_least(work.oldest_ms for work in works),
        oldest_aside_ms=_least(work.oldest_aside_ms for work in works),
        bytes_per_s=sum(work.bytes_per_s for work in works),
        errors=sum(work.errors for work in works),
        put_off=sum(work.put_off for work in works),
        put_off_ms=first_put_off[0],
        put_off_because=first_put_off[1],
        silent_s=min(silent_s, default=None),
        refusing=len(silent_s),
        alone=sum(not one.is_heard for one in statuses),
        width=sum(one.width for one in limits),
        backfill_width=sum(one.backfill_width for one in limits),
    )


def behind_s(statuses: Collection[LaneStatus], now_ms: int) -> float:
    """How long the oldest event has waited that is not backfill, nor set aside; `statuses` are those of one lane."""
    oldest_ms = total(statuses).oldest_ms
    times = [at_ms for topic, at_ms in oldest_ms.items() if topic != PHOTO_READY_AGAIN]
    return max(0, now_ms - min(times, default=now_ms)) / 1000


def _least(times: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in times:
        found |= {topic: min(at_ms, found.get(topic, at_ms)) for topic, at_ms in one.items()}
    return found
