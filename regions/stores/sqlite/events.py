"""The events port over one SQLite file: a log for each partition, and the committed offset of each group.

    topics    how many partitions each topic has; fixed when the file is created
    log       the events of a partition, by offset
    ends      the offset that the partition's next event will get; never goes back, even if the log was trimmed
    commits   the offset at which a group continues; a group has its rows from its first consumer on
    members, generations   which members of a group are alive, and since when they own what they own: `membership`

An event that is published twice is in the log twice, as in Kafka. Publishers trim the log: with each event that they
add, they remove up to two of the oldest of its partition, if those are older than a week and every group that ever
existed has committed them. So only a group that is new finds a gap. Dead letters are kept, even if a group has read
them.
"""

import secrets
import time
from collections.abc import Callable, Sequence, Set
from sqlite3 import Connection

from regions.errors import StoreMissing
from regions.events.messages import Event, read, to_text
from regions.events.topics import DEAD_LETTERS, TOPICS
from regions.stores.events import Delivery, Gap, LogConsumer
from regions.stores.health import CheckResult
from regions.stores.partitioner import partition_of
from regions.stores.sqlite import health
from regions.stores.sqlite.database import Database
from regions.stores.sqlite.membership import SCHEMA as MEMBERS
from regions.stores.sqlite.membership import Member, Members, next_generation
from regions.stores.sqlite.notifier import Notifier

_TABLES = f"""
CREATE TABLE IF NOT EXISTS topics (topic TEXT PRIMARY KEY, partitions INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    published_ms INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ends (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits (
    topic TEXT NOT NULL, group_name TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, group_name, partition)
) WITHOUT ROWID;
{MEMBERS}
"""

# Reads only the oldest rows, so its cost does not depend on the length of the log. Without any group min() is NULL,
# and so is the comparison: nothing is removed.
_TRIM = """
DELETE FROM log WHERE topic = :topic AND partition = :partition AND offset IN (
    SELECT offset FROM (
        SELECT offset, published_ms FROM log WHERE topic = :topic AND partition = :partition ORDER BY offset LIMIT :most
    ) WHERE published_ms < :before_ms
        AND offset < (SELECT min(next_offset) FROM commits WHERE topic = :topic AND partition = :partition)
)
"""

# By partition: its end minus where the group continues. A new group starts at the oldest event that is in the log.
_LAG = """
SELECT partition, next_offset - min(next_offset, max(
    coalesce((SELECT next_offset FROM commits
              WHERE topic = ends.topic AND group_name = ? AND partition = ends.partition), 0),
    coalesce((SELECT min(offset) FROM log WHERE topic = ends.topic AND partition = ends.partition), next_offset)
)) FROM ends WHERE topic = ?
"""

_KEEP_MS = 7 * 24 * 3600 * 1000
# A consumer that waits for events stops waiting this often, to send its heartbeat and to see which members are alive.
_POLL_AGAIN_S = 1.0


class SqliteEvents:
    """Safe to share between threads. Close the consumers first."""

    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._clock_ms = clock_ms
        self._partitions = _partitions(database)
        self._members = Members(self._database, clock_ms, self._partitions)
        self._notifier = Notifier(self._database)

    def publish(self, events: Sequence[Event]) -> None:
        """All of them, or none if it raises."""
        if not events:
            return
        now_ms = self._clock_ms()
        with self._database.writing() as connection:
            for event in events:
                _append(connection, event, partition_of(event.key, self._partitions[event.topic]), now_ms)
        self._notifier.notify()

    def consumer(self, topic: str, group: str, member: str) -> LogConsumer:
        # Names are unique: a process that was restarted must not commit what its predecessor was reading.
        one = Member(topic, group, f"{member}-{secrets.token_hex(8)}")
        return _Consumer(self._database, self._members, self._notifier, one, self._partitions[topic])

    def lag(self, topic: str, group: str) -> dict[int, int]:
        with self._database.reading() as connection:
            behind = dict(connection.execute(_LAG, (group, topic)).fetchall())
        return {partition: behind.get(partition, 0) for partition in range(self._partitions[topic])}

    def check_health(self) -> list[CheckResult]:
        return health.check_health(self._database, _TABLES)

    def close(self) -> None:
        self._notifier.close()
        self._database.close()


class _Consumer:
    """`_next` holds the next offset to deliver, for each partition that this consumer owns; `_gaps` those it meets."""

    def __init__(
        self, database: Database, members: Members, notifier: Notifier, member: Member, partitions: int
    ) -> None:
        self._database, self._members, self._notifier, self._member = database, members, notifier, member
        self._next: dict[int, int] = {}
        self._gaps: dict[int, Gap] = {}
        self._generation = self._polls = 0
        self._closed = False
        with database.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO commits (topic, group_name, partition, next_offset) VALUES (?, ?, ?, 0)",
                [(member.topic, member.group, partition) for partition in range(partitions)],
            )
        members.join(member)

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            # Read before the log is read, so that an event published in between ends the wait below at once.
            seen = self._notifier.changes
            deliveries = self._fetch(limit)
            left_s = deadline_s - time.monotonic()
            if deliveries or left_s <= 0:
                return deliveries
            self._notifier.wait(seen, min(left_s, _POLL_AGAIN_S))

    def commit(self, partition: int, offset: int) -> None:
        self._move_group(partition, 0, offset + 1)

    def owned(self) -> set[int]:
        if self._closed:
            return set()
        self._members.heartbeat(self._member)
        assigned = self._assigned()
        if assigned is None:
            # Our heartbeats were late, and the group counts us as dead. Others may have read and committed our
            # partitions since, so our offsets are out of date: we join again and continue where the group is.
            self._forget(set(self._next))
            self._members.join(self._member)
            assigned = self._assigned() or set()
        self._forget(self._next.keys() - assigned)
        if assigned - self._next.keys():
            self._take_new()
        return set(self._next)

    def generation(self) -> int:
        return self._generation

    def gaps(self) -> list[Gap]:
        return list(self._gaps.values())

    def skip(self, gap: Gap) -> None:
        if self._gaps.get(gap.partition) == gap:
            self._move_group(gap.partition, gap.first, gap.end)
            self._next[gap.partition] = gap.end
            del self._gaps[gap.partition]

    def close(self) -> None:
        if not self._closed:
            self._members.leave(self._member)
            self._closed = True

    def _move_group(self, partition: int, least: int, to: int) -> None:
        """Moves the group's position forward, if the partition is ours and the position is at least so far."""
        with self._database.writing() as connection:
            # In the transaction that commits, so that no member can join or leave between this check and the commit.
            if partition in (self._members.assigned(connection, self._member) or ()):
                connection.execute(
                    "UPDATE commits SET next_offset = max(next_offset, ?)"
                    " WHERE topic = ? AND group_name = ? AND partition = ? AND next_offset >= ?",
                    (to, self._member.topic, self._member.group, partition, least),
                )

    def _forget(self, partitions: Set[int]) -> None:
        for partition in partitions:
            del self._next[partition]
            self._gaps.pop(partition, None)

    def _assigned(self) -> set[int] | None:
        with self._database.reading() as connection:
            return self._members.assigned(connection, self._member)

    def _take_new(self) -> None:
        """New partitions start at the group's commit; those that we had before stay at our own offset."""
        with self._database.writing() as connection:
            assigned = self._members.assigned(connection, self._member) or set()
            committed = self._committed(connection, assigned)
            self._generation = next_generation(connection, self._member)
        self._next = committed | self._next

    def _committed(self, connection: Connection, partitions: Set[int]) -> dict[int, int]:
        rows = connection.execute(
            "SELECT partition, next_offset FROM commits WHERE topic = ? AND group_name = ?",
            (self._member.topic, self._member.group),
        )
        return {partition: offset for partition, offset in rows if partition in partitions}

    def _fetch(self, limit: int) -> list[Delivery]:
        # Each poll starts with another partition, so that a busy one does not starve the others.
        self._polls += 1
        owned = sorted(self.owned())
        first = self._polls % max(1, len(owned))
        deliveries: list[Delivery] = []
        with self._database.reading() as connection:
            ends = dict(
                connection.execute("SELECT partition, next_offset FROM ends WHERE topic = ?", (self._member.topic,))
            )
            for partition in [*owned[first:], *owned[:first]]:
                room, end = limit - len(deliveries), ends.get(partition, 0)
                if room and self._next[partition] < end and partition not in self._gaps:
                    deliveries += self._take(connection, partition, room, end)
        return deliveries

    def _take(self, connection: Connection, partition: int, limit: int, end: int) -> list[Delivery]:
        """The next events up to `end`; none at a gap."""
        found = self._read(connection, partition, limit)
        first, position = found[0].offset if found else end, self._next[partition]
        if first == position:
            self._next[partition] = found[-1].offset + 1
            return found
        if self._committed(connection, {partition})[partition] > position:
            # Others had the partition since we last looked, and committed what was trimmed then.
            self._forget({partition})
        else:
            self._gaps[partition] = Gap(partition, position, first)
        return []

    def _read(self, connection: Connection, partition: int, limit: int) -> list[Delivery]:
        rows = connection.execute(
            "SELECT offset, event FROM log WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
            (self._member.topic, partition, self._next[partition], limit),
        )
        return [
            Delivery(read(self._member.topic, f"{partition}:{offset}", text), partition, offset)
            for offset, text in rows
        ]


def schema(partitions: int) -> str:
    """The tables and the topics. A topic that is missing gets so many partitions."""
    topics = ", ".join(f"('{topic}', {partitions:d})" for topic in TOPICS)
    return f"{_TABLES}\nINSERT OR IGNORE INTO topics (topic, partitions) VALUES {topics};"


def _partitions(database: Database) -> dict[str, int]:
    """How many each topic has. Raises StoreMissing if an older version created the file, without a newer topic."""
    with database.reading() as connection:
        found = dict(connection.execute("SELECT topic, partitions FROM topics").fetchall())
    if missing := set(TOPICS) - set(found):
        raise StoreMissing(f"the store lacks the topics {', '.join(sorted(missing))}")
    return found


def _append(connection: Connection, event: Event, partition: int, now_ms: int) -> None:
    (offset,) = connection.execute(
        "INSERT INTO ends (topic, partition, next_offset) VALUES (?, ?, 1)"
        " ON CONFLICT DO UPDATE SET next_offset = next_offset + 1 RETURNING next_offset - 1",
        (event.topic, partition),
    ).fetchone()
    connection.execute(
        "INSERT INTO log (topic, partition, offset, published_ms, event) VALUES (?, ?, ?, ?, ?)",
        (event.topic, partition, offset, now_ms, to_text(event)),
    )
    if event.topic != DEAD_LETTERS:
        _trim(connection, event.topic, partition, now_ms)


def _trim(connection: Connection, topic: str, partition: int, now_ms: int) -> None:
    connection.execute(_TRIM, {"topic": topic, "partition": partition, "most": 2, "before_ms": now_ms - _KEEP_MS})
