"""Who is alive in each consumer group, and which partitions each member has. Part of the SQLite events adapter.

A member is alive while it was seen within the last `TTL_MS`. One write a second marks all members of a
process at once, so that a hundred idle consumers on one machine cost a few writes and not hundreds.
"""

import threading
from collections.abc import Callable
from sqlite3 import Connection
from typing import NamedTuple

from regions.stores.events import PARTITIONS
from regions.stores.sqlite.database import Database

TTL_MS = 5_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS members (
    topic TEXT NOT NULL, group_name TEXT NOT NULL, member TEXT NOT NULL, seen_ms INTEGER NOT NULL,
    PRIMARY KEY (topic, group_name, member)
) WITHOUT ROWID;
"""

_BEAT_EVERY_MS = 1_000
# A member that asks at least once a second was last seen at most one heartbeat and one question ago.
_ASKED_LATELY_MS = 2 * _BEAT_EVERY_MS


class Member(NamedTuple):
    """`name` is unique, also among those that one process opened one after the other."""

    topic: str
    group: str
    name: str


class Members:
    """The members that one process has, marked together. Safe to share between threads."""

    def __init__(self, file: Database, clock_ms: Callable[[], int]) -> None:
        self._file, self._clock_ms = file, clock_ms
        self._asked_ms: dict[Member, int] = {}
        self._beat_ms = 0
        self._lock = threading.Lock()

    def join(self, member: Member) -> None:
        """Makes the member alive, and forgets the dead of its group."""
        now_ms = self._clock_ms()
        with self._lock:
            self._asked_ms[member] = now_ms
        with self._file.writing() as connection:
            connection.execute(
                "DELETE FROM members WHERE topic = ? AND group_name = ? AND seen_ms NOT BETWEEN ? AND ?",
                (member.topic, member.group, *_alive(now_ms)),
            )
            connection.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", (*member, now_ms))

    def leave(self, member: Member) -> None:
        with self._lock:
            self._asked_ms.pop(member, None)
        with self._file.writing() as connection:
            connection.execute("DELETE FROM members WHERE topic = ? AND group_name = ? AND member = ?", member)

    def beat(self, member: Member) -> None:
        """Notes that the member lives. Never wakes the dead: a member that was away too long has to join again."""
        now_ms = self._clock_ms()
        with self._lock:
            self._asked_ms[member] = now_ms
            if 0 <= now_ms - self._beat_ms < _BEAT_EVERY_MS:
                return
            self._beat_ms = now_ms
            lately = [one for one, asked_ms in self._asked_ms.items() if abs(now_ms - asked_ms) < _ASKED_LATELY_MS]
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE members SET seen_ms = ?"
                " WHERE topic = ? AND group_name = ? AND member = ? AND seen_ms BETWEEN ? AND ?",
                [(now_ms, *one, *_alive(now_ms)) for one in lately],
            )

    def share(self, connection: Connection, member: Member) -> set[int] | None:
        """The partitions that are this member's now; None where it is not alive."""
        rows = connection.execute(
            "SELECT member FROM members WHERE topic = ? AND group_name = ? AND seen_ms BETWEEN ? AND ? ORDER BY member",
            (member.topic, member.group, *_alive(self._clock_ms())),
        )
        return share_of(member.name, [name for (name,) in rows])


def share_of(name: str, alive: list[str]) -> set[int] | None:
    """Deals the partitions out among the living, in order of their names; None for who is not among them."""
    if name not in alive:
        return None
    return set(range(alive.index(name), PARTITIONS, len(alive)))


def _alive(now_ms: int) -> tuple[int, int]:
    """When the living were last seen. A time far ahead was written before the clock stepped back: as good as none."""
    return now_ms - TTL_MS + 1, now_ms + TTL_MS
