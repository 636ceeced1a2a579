"""One keyspace of this process on the Cassandra under test: creating tables takes too long to do it for each test."""

import os
from collections import defaultdict

from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.session import CassandraSession
from tests.builders.stores import created

_PARTITION_KEYS = (
    "SELECT table_name, column_name FROM system_schema.columns"
    " WHERE keyspace_name = ? AND kind = 'partition_key' ALLOW FILTERING"
)


class Keyspace:
    def __init__(self, server: str) -> None:
        self.name = f"test_{os.getpid()}_{os.urandom(4).hex()}"
        self.url = f"cassandra://{server}/{self.name}?datacenter=datacenter1&replication=1"
        created(cassandra.catalog(self.url)).close()
        self._session = CassandraSession(parse_address(self.url), None)
        self._keys = defaultdict(list)
        for table, column in self._session.execute(_PARTITION_KEYS, self.name):
            if table != "stamp" and not table.startswith("schema_"):
                self._keys[f"{self.name}.{table}"].append(column)

    def empty(self) -> None:
        """Deletes each partition, since truncating a table takes half a second.

        But heads of tombstones, expected arrivals and copies have timestamps of long ago, and what deletes them would
        hide those of the next test. So would what a deletion of a photo leaves in copies, and in the lists of owners,
        where its timestamps are in the future.
        """
        queries = [(f"SELECT DISTINCT {', '.join(columns)} FROM {table}",) for table, columns in self._keys.items()]
        found = dict(zip(self._keys, self._session.execute_concurrent(queries), strict=True))
        if found[f"{self.name}.tombstones"]:
            self._truncate("photos_by_owner")
        for table in ("tombstone_heads", "arrivals", "copies"):
            if found.pop(f"{self.name}.{table}") or (table == "copies" and found[f"{self.name}.tombstones"]):
                self._truncate(table)
        self._session.execute_concurrent(
            (f"DELETE FROM {table} WHERE {' AND '.join(f'{column} = ?' for column in self._keys[table])}", *values)
            for table, partitions in found.items()
            for values in partitions
        )

    def _truncate(self, table: str) -> None:
        self._session.change_schema(f"TRUNCATE {self.name}.{table}")

    def drop(self) -> None:
        self._session.change_schema(f"DROP KEYSPACE {self.name}")
        self._session.close()
