"""The buckets that an author's followers are listed in: which one, when more are needed, and the order of a walk. Pure.

Level 0 has one bucket, level 1 has two, level 2 four, and so on. `follows` says how they are used.
"""

import re
from typing import NamedTuple

from regions.errors import BadRequest
from regions.stores.paging import exclusive_lower_bound
from regions.stores.partitioner import partition_of

BUCKET_ROWS = 50_000
"""How many followers a bucket is meant for. Since they are counted by a sample, a few may get some thousands more."""
COUNT_ONE_IN = 1_000
"""One follow in so many is counted, as that many."""
MAX_LEVEL = 16
"""All levels up to this one together are for 6.5 billion followers, so that it is never full."""

_CURSOR = re.compile(r"([0-9]{1,2})\.([0-9]{1,5})\.(.*)", re.DOTALL)


class WalkPosition(NamedTuple):
    """Where a walk over all of an author's followers is: in this bucket, after this follower."""

    level: int
    bucket: int
    follower_id: str


START = WalkPosition(0, 0, "")


def bucket_of(follower_id: str, level: int) -> int:
    return partition_of(follower_id, 1 << level)


def after_counting(level: int, assigned: int) -> tuple[int, int]:
    """The author's level, and how many follows were assigned to it, when one more follow was counted."""
    assigned += COUNT_ONE_IN
    if assigned >= BUCKET_ROWS << level and level < MAX_LEVEL:
        return level + 1, 0
    return level, assigned


def next_bucket(position: WalkPosition) -> WalkPosition:
    """The start of the bucket after this one; after the last bucket of a level comes the first of the next level."""
    level, bucket = position.level, position.bucket + 1
    return WalkPosition(level, bucket, "") if bucket < 1 << level else WalkPosition(level + 1, 0, "")


def to_cursor(position: WalkPosition) -> str:
    return f"{position.level}.{position.bucket}.{position.follower_id}"


def from_cursor(cursor: str | None) -> WalkPosition:
    """The inverse of `to_cursor`; None is the start. Raises BadRequest."""
    if cursor is None:
        return START
    parts = _CURSOR.fullmatch(cursor)
    if parts is not None:
        position = WalkPosition(int(parts[1]), int(parts[2]), exclusive_lower_bound(parts[3]))
        if position.level <= MAX_LEVEL and position.bucket < 1 << position.level:
            return position
    raise BadRequest("this is not the cursor of a list of followers")
