"""The events port over one SQLite file: a log for each partition, and how far each group has come in it.

    log       the events of a partition, by offset
    ends      the offset that the partition's next event will have; never goes back, whatever was dropped
    commits   the offset with which a group goes on; a group has its rows from its first consumer on
    members   who is alive in a group (`events_sqlite_members`)

The same event may be published twice and then lies in the log twice, as in Kafka. What is older than a week
and was committed by every group there ever was is dropped, by those who publish: each takes away up to
twice as much as it brings. A topic that no group reads, such as the dead letters, keeps everything.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from sqlite3 import Connection

from regions.events.messages import Event, from_text, to_text
from regions.stores.events import PARTITIONS, Consumer, Delivery, partition_of
from regions.stores.health import CheckResult
from regions.stores.sqlite import health
from regions.stores.sqlite.database import Database
from regions.stores.sqlite.membership import SCHEMA as MEMBERS
from regions.stores.sqlite.membership import Member, Members
from regions.stores.sqlite.notifier import Notifier

_SCHEMA = f"""
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

# Looks only at the oldest rows, so that it costs the same however long the log is. With no group, min() is NULL
# and so is the comparison: nothing goes.
_DROP_OLDEST = """
DELETE FROM log WHERE topic = :topic AND partition = :partition AND offset IN (
    SELECT offset FROM (
        SELECT offset, published_ms FROM log WHERE topic = :topic AND partition = :partition ORDER BY offset LIMIT :most
    ) WHERE published_ms < :before_ms
        AND offset < (SELECT min(next_offset) FROM commits WHERE topic = :topic AND partition = :partition)
)
"""

_LAG = """
SELECT partition, next_offset - min(next_offset, max(
    coalesce((SELECT next_offset FROM commits
              WHERE topic = ends.topic AND group_name = ? AND partition = ends.partition), 0),
    coalesce((SELECT min(offset) FROM log WHERE topic = ends.topic AND partition = ends.partition), next_offset)
)) FROM ends WHERE topic = ?
"""

_KEEP_MS = 7 * 24 * 3600 * 1000
# So often at least a waiting consumer says that it lives, and looks whether others do.
_LOOK_AGAIN_S = 1.0


class SqliteEvents:
    """Safe to share between threads. Close the consumers first."""

    def __init__(self, path: str, clock_ms: Callable[[], int]) -> None:
        self._file = Database(path, _SCHEMA)
        self._clock_ms = clock_ms
        self._members = Members(self._file, clock_ms)
        self._bell = Notifier(self._file)

    def publish(self, events: Sequence[Event]) -> None:
        """All of them, or none where it raises."""
        if not events:
            return
        now_ms = self._clock_ms()
        with self._file.writing() as connection:
            for event in events:
                _append(connection, event, now_ms)
        self._bell.ring()

    def consumer(self, topic: str, group: str, member: str) -> Consumer:
        # Two consumers never share a name, so that a process that starts again does not commit for the one before it.
        one = Member(topic, group, f"{member}-{secrets.token_hex(8)}")
        return _Consumer(self._file, self._members, self._bell, one)

    def lag(self, topic: str, group: str) -> dict[int, int]:
        with self._file.reading() as connection:
            behind = dict(connection.execute(_LAG, (group, topic)).fetchall())
        return {partition: behind.get(partition, 0) for partition in range(PARTITIONS)}

    def check_health(self) -> list[CheckResult]:
        return health.check_health(self._file, _SCHEMA)

    def close(self) -> None:
        self._bell.close()
        self._file.close()


class _Consumer:
    """`_next` holds the offset to be given next of each partition that is ours."""

    def __init__(self, file: Database, members: Members, bell: Notifier, member: Member) -> None:
        self._file, self._members, self._bell, self._member = file, members, bell, member
        self._next: dict[int, int] = {}
        self._turn = 0
        self._closed = False
        with file.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO commits VALUES (?, ?, ?, 0)",
                [(member.topic, member.group, partition) for partition in range(PARTITIONS)],
            )
        members.join(member)

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            rung = self._bell.rung
            deliveries = self._take(limit)
            left_s = deadline_s - time.monotonic()
            if deliveries or left_s <= 0:
                return deliveries
            self._bell.wait(rung, min(left_s, _LOOK_AGAIN_S))

    def commit(self, partition: int, offset: int) -> None:
        with self._file.writing() as connection:
            if partition in (self._members.share(connection, self._member) or ()):
                connection.execute(
                    "UPDATE commits SET next_offset = max(next_offset, ?)"
                    " WHERE topic = ? AND group_name = ? AND partition = ?",
                    (offset + 1, self._member.topic, self._member.group, partition),
                )

    def owned(self) -> set[int]:
        if self._closed:
            return set()
        self._members.beat(self._member)
        mine = self._share()
        if mine is None:
            # We were away for too long. What we had may have gone to others, so we begin again where the group is.
            self._next.clear()
            self._members.join(self._member)
            mine = self._share() or set()
        for partition in self._next.keys() - mine:
            del self._next[partition]
        if mine - self._next.keys():
            self._next = self._committed(mine) | self._next
        return set(self._next)

    def close(self) -> None:
        if not self._closed:
            self._members.leave(self._member)
            self._closed = True

    def _share(self) -> set[int] | None:
        with self._file.reading() as connection:
            return self._members.share(connection, self._member)

    def _committed(self, partitions: set[int]) -> dict[int, int]:
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT partition, next_offset FROM commits WHERE topic = ? AND group_name = ?",
                (self._member.topic, self._member.group),
            )
            return {partition: offset for partition, offset in rows if partition in partitions}

    def _take(self, limit: int) -> list[Delivery]:
        # Another partition is asked first each time, so that a busy one does not keep the others waiting.
        self._turn += 1
        mine = sorted(self.owned(), key=lambda partition: (partition - self._turn) % PARTITIONS)
        deliveries: list[Delivery] = []
        with self._file.reading() as connection:
            ends = dict(
                connection.execute("SELECT partition, next_offset FROM ends WHERE topic = ?", (self._member.topic,))
            )
            for partition in mine:
                if self._next[partition] < ends.get(partition, 0) and len(deliveries) < limit:
                    found = self._read(connection, partition, limit - len(deliveries))
                    # Where nothing was found, what there was is dropped already.
                    self._next[partition] = found[-1].offset + 1 if found else ends[partition]
                    deliveries += found
        return deliveries

    def _read(self, connection: Connection, partition: int, limit: int) -> list[Delivery]:
        rows = connection.execute(
            "SELECT offset, event FROM log WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
            (self._member.topic, partition, self._next[partition], limit),
        )
        return [Delivery(from_text(text), partition, offset) for offset, text in rows]


def _append(connection: Connection, event: Event, now_ms: int) -> None:
    partition = partition_of(event.key)
    (offset,) = connection.execute(
        "INSERT INTO ends VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET next_offset = next_offset + 1"
        " RETURNING next_offset - 1",
        (event.topic, partition),
    ).fetchone()
    connection.execute(
        "INSERT INTO log VALUES (?, ?, ?, ?, ?)", (event.topic, partition, offset, now_ms, to_text(event))
    )
    connection.execute(
        _DROP_OLDEST, {"topic": event.topic, "partition": partition, "most": 2, "before_ms": now_ms - _KEEP_MS}
    )
