"""Which members of a consumer group are alive, and which partitions each one owns. Part of the SQLite events adapter.

A member is alive if its last heartbeat is less than `TTL_MS` old. There is no coordinator. Each member computes the
assignment from the same rows, with the same pure function (`assign`): the living members in order of their names, each
with every n-th partition. When a member joins, leaves or dies, the others see it when they next read the rows.

For a moment two members may therefore both read a partition. That is safe: a commit computes the assignment again, in
the transaction that writes the offset, and does nothing if the partition belongs to another member by then. So one
of the two does the work for nothing, its events are delivered again, and no event is skipped (at-least-once delivery).

Who gets a partition takes the group's next generation number, in the transaction in which it sees that the
partition is its own. So of two members that both take it for theirs, the later owner has the higher number.

One write a second sends the heartbeats of all members of a process, so that a hundred idle consumers on one machine
cost a few writes a second and not hundreds. It includes only members that polled recently, so a consumer that hangs in
a living process still loses its partitions.
"""

import threading
from collections.abc import Callable, Mapping
from sqlite3 import Connection
from typing import NamedTuple

from regions.stores.sqlite.database import Database

TTL_MS = 5_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS members (
    topic TEXT NOT NULL, group_name TEXT NOT NULL, member TEXT NOT NULL, seen_ms INTEGER NOT NULL,
    PRIMARY KEY (topic, group_name, member)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generations (
    topic TEXT NOT NULL, group_name TEXT NOT NULL, generation INTEGER NOT NULL,
    PRIMARY KEY (topic, group_name)
) WITHOUT ROWID;
"""

_HEARTBEAT_EVERY_MS = 1_000
# A consumer polls at least once a second, and a heartbeat may come up to one interval after the poll.
_POLLED_RECENTLY_MS = 2 * _HEARTBEAT_EVERY_MS


class Member(NamedTuple):
    """`name` is never used twice, not even by one process that opens one consumer after another."""

    topic: str
    group: str
    name: str


class Members:
    """The members of this process, with their common heartbeat. Safe to share between threads."""

    def __init__(self, database: Database, clock_ms: Callable[[], int], partitions: Mapping[str, int]) -> None:
        """`partitions`: how many each topic has."""
        self._database, self._clock_ms, self._partitions = database, clock_ms, partitions
        self._polled_ms: dict[Member, int] = {}
        self._heartbeat_ms = 0
        self._lock = threading.Lock()

    def join(self, member: Member) -> None:
        """Makes the member alive, and removes the dead members of its group."""
        now_ms = self._clock_ms()
        with self._lock:
            self._polled_ms[member] = now_ms
        with self._database.writing() as connection:
            connection.execute(
                "DELETE FROM members WHERE topic = ? AND group_name = ? AND seen_ms NOT BETWEEN ? AND ?",
                (member.topic, member.group, *_alive_range_ms(now_ms)),
            )
            connection.execute(
                "INSERT OR REPLACE INTO members (topic, group_name, member, seen_ms) VALUES (?, ?, ?, ?)",
                (*member, now_ms),
            )

    def leave(self, member: Member) -> None:
        with self._lock:
            self._polled_ms.pop(member, None)
        with self._database.writing() as connection:
            connection.execute("DELETE FROM members WHERE topic = ? AND group_name = ? AND member = ?", member)

    def heartbeat(self, member: Member) -> None:
        """Keeps the member alive. A dead member is not revived: others own its partitions, so it must join again."""
        now_ms = self._clock_ms()
        with self._lock:
            self._polled_ms[member] = now_ms
            if 0 <= now_ms - self._heartbeat_ms < _HEARTBEAT_EVERY_MS:
                return
            self._heartbeat_ms = now_ms
            polled = [one for one, at_ms in self._polled_ms.items() if abs(now_ms - at_ms) < _POLLED_RECENTLY_MS]
        with self._database.writing() as connection:
            connection.executemany(
                "UPDATE members SET seen_ms = ?"
                " WHERE topic = ? AND group_name = ? AND member = ? AND seen_ms BETWEEN ? AND ?",
                [(now_ms, *one, *_alive_range_ms(now_ms)) for one in polled],
            )

    def assigned(self, connection: Connection, member: Member) -> set[int] | None:
        """The partitions that the member owns now; None if it is not alive."""
        rows = connection.execute(
            "SELECT member FROM members WHERE topic = ? AND group_name = ? AND seen_ms BETWEEN ? AND ? ORDER BY member",
            (member.topic, member.group, *_alive_range_ms(self._clock_ms())),
        )
        return assign(member.name, [name for (name,) in rows], self._partitions[member.topic])


def next_generation(connection: Connection, member: Member) -> int:
    """Higher than any before in this group. In a transaction that writes."""
    (generation,) = connection.execute(
        "INSERT INTO generations (topic, group_name, generation) VALUES (?, ?, 1)"
        " ON CONFLICT DO UPDATE SET generation = generation + 1 RETURNING generation",
        (member.topic, member.group),
    ).fetchone()
    return int(generation)


def assign(name: str, alive: list[str], partitions: int) -> set[int] | None:
    """The partitions of one member, given the sorted names of the living ones; None if it is not among them. Pure."""
    if name not in alive:
        return None
    return set(range(alive.index(name), partitions, len(alive)))


def _alive_range_ms(now_ms: int) -> tuple[int, int]:
    """The first and last heartbeat time that count as alive.

    There is an upper limit because the clock may be stepped back. A dead member's heartbeat would then lie far in the
    future, and its partitions would belong to nobody until the clock gets there.
    """
    return now_ms - TTL_MS + 1, now_ms + TTL_MS
