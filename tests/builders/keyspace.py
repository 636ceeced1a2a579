"""One keyspace of this process on the Cassandra under test: creating tables takes too long to do it for each test."""

import os

from cassandra.cluster import Cluster

from regions.stores.cassandra import adapter as cassandra
from tests.builders.stores import created


class Keyspace:
    def __init__(self, server: str) -> None:
        self.name = f"test_{os.getpid()}_{os.urandom(4).hex()}"
        self.url = f"cassandra://{server}/{self.name}?datacenter=datacenter1&replication=1"
        created(cassandra.catalog(self.url)).close()
        host, port = server.split(":")
        self._cluster = Cluster([host], port=int(port), protocol_version=5)
        self._session = self._cluster.connect(self.name)
        tables = self._cluster.metadata.keyspaces[self.name].tables.values()
        self._keys = {
            table.name: [column.name for column in table.partition_key]
            for table in tables
            if table.name != "stamp" and not table.name.startswith("schema_")
        }

    def empty(self) -> None:
        """Deletes each partition, since truncating a table takes half a second.

        But heads of tombstones have timestamps of long ago, and what deletes them would hide those of the next test. So
        would the markers of deleted photos in the lists of their owners, whose timestamps are in the future.
        """
        queries = {table: f"SELECT DISTINCT {', '.join(columns)} FROM {table}" for table, columns in self._keys.items()}
        futures = {table: self._session.execute_async(query) for table, query in queries.items()}
        partitions = {table: list(future.result()) for table, future in futures.items()}
        if partitions["tombstones"]:
            self._truncate("photos_by_owner")
        deletions = []
        for table, found in partitions.items():
            where = " AND ".join(f"{column} = %s" for column in self._keys[table])
            if found and table == "tombstone_heads":
                self._truncate(table)
                continue
            for values in found:
                deletions.append(self._session.execute_async(f"DELETE FROM {table} WHERE {where}", list(values)))
        for deletion in deletions:
            deletion.result()

    def _truncate(self, table: str) -> None:
        self._session.execute(f"TRUNCATE {table}", timeout=60)

    def drop(self) -> None:
        self._session.execute(f"DROP KEYSPACE {self.name}", timeout=60)
        self._cluster.shutdown()
