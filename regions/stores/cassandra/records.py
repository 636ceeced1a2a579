"""Replicas and the audit log of the Cassandra catalog."""

from collections.abc import Callable, Iterable

from regions.records import AuditEntry, Replica
from regions.stores.cassandra import columns
from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import TimeUuidGenerator, time_uuid_ms, year_at, years
from regions.stores.cassandra.rows import UNLESS_DELETED
from regions.stores.cassandra.session import CassandraSession


class CassandraReplicas:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def put(self, replica: Replica) -> None:
        put = f"UPDATE photos SET replicas[?] = ?, replicas_missing[?] = ? {UNLESS_DELETED}"
        region = key(replica.region)
        values = region, columns.from_replica(replica), region, replica.missing or None
        self._session.execute_conditional((put, *values, key(replica.photo_id)))

    def remove(self, photo_id: str, region: str) -> None:
        # The condition is not needed, but the order of Paxos is. Cassandra keeps the write with the highest timestamp;
        # a conditional write gets its timestamp from Paxos, a plain one from the driver's clock. With a clock that is
        # behind, a plain delete would lose to a `put` that came before it.
        remove = "DELETE replicas[?], replicas_missing[?] FROM photos WHERE photo_id = ? IF replicas[?] != null"
        self._session.execute_conditional((remove, key(region), key(region), key(photo_id), key(region)))

    def of_photo(self, photo_id: str) -> list[Replica]:
        query = "SELECT DISTINCT photo_id, replicas, replicas_missing FROM photos WHERE photo_id = ?"
        rows = self._session.execute(query, key(photo_id))
        return [
            columns.to_replica(photo_id, region, values, (missing or {}).get(region, 0))
            for _, replicas, missing in rows
            for region, values in sorted((replicas or {}).items())
        ]


class CassandraAuditLog:
    def __init__(self, session: CassandraSession, uuids: TimeUuidGenerator, clock_ms: Callable[[], int]) -> None:
        self._session, self._uuids, self._clock_ms = session, uuids, clock_ms

    def append(self, entries: Iterable[AuditEntry]) -> None:
        """If it raises, some of the entries may have been written."""
        insert = (
            f"INSERT INTO audit (photo_id, year, entry_id, {columns.AUDIT})"
            f" VALUES (?, ?, ?, {columns.placeholders(columns.AUDIT)})"
        )
        with_ids = ((entry, self._uuids.next()) for entry in entries)
        self._session.execute_concurrent(
            (insert, key(entry.photo_id), year_at(time_uuid_ms(entry_id)), entry_id, *columns.from_audit_entry(entry))
            for entry, entry_id in with_ids
        )

    def latest(self, photo_id: str, limit: int) -> list[AuditEntry]:
        query = f"SELECT {columns.AUDIT} FROM audit WHERE photo_id = ? AND year = ? LIMIT ?"
        calls = [(query, key(photo_id), year, limit) for year in years(self._clock_ms())]
        newest = [row for rows in self._session.execute_concurrent(calls) for row in rows][:limit]
        return [columns.to_audit_entry(photo_id, row) for row in reversed(newest)]
