"""What is kept of gaps: which events a consumer group never got, because the log had dropped them. Pure.

Nobody knows any more which events they were: who repairs it looks at everything that the topic is about. So one
record for each group and topic is enough, in the settings of the log's region, and a further gap makes it larger.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from regions.stores.events import Gap
from regions.stores.settings import Setting

PREFIX = "gaps/"
"""Of the settings with the records; behind it come group and topic."""

_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class GapRecord:
    """`ranges` has, by partition, the first offset that the group missed, and the one after the last.

    Empty if another program wrote the record, and this one can't read it. `at_ms`: when the last gap was found.
    """

    group: str
    topic: str
    ranges: Mapping[int, tuple[int, int]]
    at_ms: int

    @property
    def most_events(self) -> int:
        """There were no more than so many. If several gaps are one range, there may have been fewer."""
        return sum(end - first for first, end in self.ranges.values())


def key_of(group: str, topic: str) -> str:
    return f"{PREFIX}{group}/{topic}"


def with_gaps(record: GapRecord, gaps: Iterable[Gap], at_ms: int) -> GapRecord:
    """In any order, and as often as one likes."""
    ranges = dict(record.ranges)
    for gap in gaps:
        first, end = ranges.get(gap.partition, (gap.first, gap.end))
        ranges[gap.partition] = min(first, gap.first), max(end, gap.end)
    return GapRecord(record.group, record.topic, ranges, at_ms)


def to_text(record: GapRecord) -> str:
    ranges = {str(partition): list(one) for partition, one in sorted(record.ranges.items())}
    return json.dumps({"at_ms": record.at_ms, "ranges": ranges}, separators=(",", ":"))


def from_text(group: str, topic: str, text: str) -> GapRecord:
    """Whatever the text is, there is a record: nobody must take a damaged one for none."""
    try:
        document = json.loads(text)
        ranges = {int(partition): _range(one) for partition, one in document["ranges"].items()}
        return GapRecord(group, topic, ranges, _number(document["at_ms"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return GapRecord(group, topic, {}, 0)


def recorded(settings: Mapping[str, Setting]) -> list[GapRecord]:
    """Of all groups; `settings` are all below `PREFIX`."""
    parts = {key: key.removeprefix(PREFIX).partition("/") for key in sorted(settings)}
    return [from_text(group, topic, settings[key].value) for key, (group, _, topic) in parts.items()]


def _range(value: Any) -> tuple[int, int]:
    first, end = map(_number, value)
    if first >= end:
        raise ValueError("an empty range")
    return first, end


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise ValueError("expected a whole number")
    return value
