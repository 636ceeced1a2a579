"""Repeatable requests in Cassandra: what the first one made, for a day."""

from regions.stores.cassandra.address import key
from regions.stores.cassandra.session import CassandraSession

_DAY_S = 86_400


class CassandraRequests:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def first(self, request: str, made: str, at_ms: int) -> str:
        insert = f"INSERT INTO requests (request, made) VALUES (?, ?) IF NOT EXISTS USING TTL {_DAY_S}"
        # If this raises, whether it was written is unknown, and the client repeats its request.
        if self._session.execute_conditional((insert, key(request), made)):
            return made
        rows = self._session.execute_serial("SELECT made FROM requests WHERE request = ?", key(request))
        return str(rows[0][0]) if rows else made
