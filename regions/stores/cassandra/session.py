"""The connection to Cassandra: where it is, how long it may take, what is tried again, and what its errors mean.

Consistency is LOCAL_QUORUM, and LOCAL_SERIAL for conditional writes: with three replicas in the region one
may be away, and no other region is ever waited for. Every statement is prepared on first use, so that the
driver knows which replicas own the row and asks one of them.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import cassandra
from cassandra import ConsistencyLevel
from cassandra import InvalidRequest as InvalidRequest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.connection import ConnectionException
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    RetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import ErrorMessage, SyntaxException
from cassandra.query import BatchStatement, BatchType, PreparedStatement, tuple_factory

from regions.errors import Unavailable
from regions.stores.cassandra.address import CassandraAddress

Row = tuple[Any, ...]
Call = tuple[Any, ...]
"""A statement's text, and then its values."""

_REQUEST_S = 5.0
_CONNECT_S = 5.0
_SCHEMA_S = 30.0
# Two tries at most, the second only where the first is slower than nearly all reads are.
_SPECULATE_AFTER_S, _SPECULATIONS = 0.2, 1
_RECONNECT_FIRST_S, _RECONNECT_MOST_S = 0.25, 5.0
# So many requests of one call are under way at once: a long list must not fill the server's queues.
_WINDOW = 64

# Mistakes of the caller's statement or data, which waiting does not mend.
MISTAKES = (InvalidRequest, SyntaxException, cassandra.ConfigurationException)
# An ErrorMessage is what the driver has no exception for, such as a conditional write of unknown outcome (0x1700).
_AWAY = (cassandra.DriverException, NoHostAvailable, ConnectionException, ErrorMessage, OSError)


class CassandraSession:
    """Any thread may use it, but not a process that was forked from this one. Raises Unavailable.

    Opens at once and then reconnects by itself, however long the server was away. The keyspace need not exist yet:
    `use` chooses it.
    """

    def __init__(self, address: CassandraAddress, login: tuple[str, str] | None) -> None:
        self.address = address
        self._closed = False
        self._prepared: dict[str, PreparedStatement] = {}
        self._cluster = _cluster(address, login)
        try:
            with self._reaching():
                self._session: Session = self._cluster.connect()
        except BaseException:
            self._cluster.shutdown()
            raise

    def use(self, keyspace: str) -> None:
        with self._reaching():
            self._session.set_keyspace(keyspace)

    def rows(self, *call: Any) -> list[Row]:
        """One bounded read, or one write that may be repeated; a write has no rows."""
        with self._reaching():
            return list(self._session.execute(self._bound(call)))

    def serial_rows(self, *call: Any) -> list[Row]:
        """A read that first brings to an end what conditional writes have begun on the partition."""
        with self._reaching():
            bound = self._bound(call)
            bound.consistency_level = ConsistencyLevel.LOCAL_SERIAL
            return list(self._session.execute(bound))

    def each(self, calls: Iterable[Call]) -> list[list[Row]]:
        """Many reads or repeatable writes, each sent to its own replica, at once; their rows in the same order.

        Not `IN`: that makes one node fetch everything from all the others (Cassandra's documentation, "IN").
        """
        found: list[list[Row]] = []
        waiting: deque[Any] = deque()
        with self._reaching():
            for call in calls:
                if len(waiting) == _WINDOW:
                    found.append(list(waiting.popleft().result()))
                waiting.append(self._session.execute_async(self._bound(call)))
            found += [list(future.result()) for future in waiting]
        return found

    def together(self, calls: Iterable[Call]) -> None:
        """Writes to several partitions, all or none in the end (a logged batch)."""
        with self._reaching():
            self._session.execute(self._batch(calls, is_idempotent=True))

    def decide(self, *calls: Call) -> bool:
        """Conditional writes to one partition, all or none; False where a condition does not hold.

        Where it raises Unavailable, the outcome is unknown.
        """
        with self._reaching():
            if len(calls) == 1:
                bound = self._bound(calls[0])
                bound.is_idempotent = False
                return bool(self._session.execute(bound).one()[0])
            return bool(self._session.execute(self._batch(calls, is_idempotent=False)).one()[0])

    def change_schema(self, statement: str) -> None:
        """Returns when all nodes that are up agree on the schema. Raises Unavailable where they do not."""
        with self._reaching():
            future = self._session.execute_async(statement, timeout=_SCHEMA_S)
            future.result()
            if not future.is_schema_agreed:
                raise Unavailable("the nodes of the store do not agree on its schema yet")

    def text(self, statement: str) -> list[Row]:
        """A statement that is run seldom, and so not prepared."""
        with self._reaching():
            return list(self._session.execute(statement))

    def close(self) -> None:
        """Idempotent. Later calls get Unavailable."""
        self._closed = True
        self._cluster.shutdown()

    def _bound(self, call: Call) -> Any:
        return self._statement(call[0]).bind(call[1:])

    def _batch(self, calls: Iterable[Call], is_idempotent: bool) -> BatchStatement:
        batch = BatchStatement(BatchType.LOGGED)
        batch.is_idempotent = is_idempotent
        for text, *values in calls:
            batch.add(self._statement(text), values)
        return batch

    def _statement(self, text: str) -> PreparedStatement:
        found = self._prepared.get(text)
        if found is None:
            # Two threads may prepare it both, which is harmless; to queue for a server that hangs would not be.
            found = self._session.prepare(text)
            # `decide` takes it back: what is conditional must not be repeated blindly.
            found.is_idempotent = True
            self._prepared[text] = found
        return found

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """What says that Cassandra does not serve becomes Unavailable, without its addresses."""
        if self._closed:
            raise Unavailable("the store is closed")
        try:
            yield
        except MISTAKES:
            raise
        except _AWAY as error:
            raise Unavailable(f"the store does not answer: {type(error).__name__}") from error
        except RuntimeError as error:
            # The driver's thread pool, when another thread closes it meanwhile.
            if not self._closed:
                raise
            raise Unavailable("the store is closed") from error


class RetryWhatMayBeRepeated(RetryPolicy):  # type: ignore[misc]
    """Once, on another node, and never a conditional write.

    Plain reads and writes carry their own timestamp and come to the same however often they are done. A conditional
    write that did succeed would fail when repeated, and so deny its own success; its sender asks by a serial read.
    """

    def on_read_timeout(
        self,
        query: Any,
        consistency: int,
        required_responses: int,
        received_responses: int,
        data_retrieved: bool,
        retry_num: int,
    ) -> tuple[int, int | None]:
        return self._once(query, retry_num)

    def on_write_timeout(
        self,
        query: Any,
        consistency: int,
        write_type: int,
        required_responses: int,
        received_responses: int,
        retry_num: int,
    ) -> tuple[int, int | None]:
        return self._once(query, retry_num)

    def on_unavailable(
        self, query: Any, consistency: int, required_replicas: int, alive_replicas: int, retry_num: int
    ) -> tuple[int, int | None]:
        return self._once(query, retry_num)

    def on_request_error(
        self, query: Any, consistency: int | None, error: Any, retry_num: int
    ) -> tuple[int, int | None]:
        return self._once(query, retry_num)

    def _once(self, query: Any, retry_num: int) -> tuple[int, int | None]:
        repeatable = query is not None and query.is_idempotent
        return (self.RETRY_NEXT_HOST if repeatable and retry_num == 0 else self.RETHROW), None


def first_rows(found: Iterable[list[Row]]) -> Iterator[Row]:
    """The first row of each answer that has one."""
    return (rows[0] for rows in found if rows)


def _cluster(address: CassandraAddress, login: tuple[str, str] | None) -> Cluster:
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=address.datacenter)),
        retry_policy=RetryWhatMayBeRepeated(),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        request_timeout=_REQUEST_S,
        row_factory=tuple_factory,
        # Idempotent statements only (the driver sees to it): one slow node must not be a slow page.
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(_SPECULATE_AFTER_S, _SPECULATIONS),
    )
    return Cluster(
        contact_points=list(address.hosts),
        port=address.hosts[0][1],
        protocol_version=5,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        auth_provider=PlainTextAuthProvider(*login) if login else None,
        # Without an end: the driver's own policy gives a node up after 64 attempts.
        reconnection_policy=ExponentialReconnectionPolicy(_RECONNECT_FIRST_S, _RECONNECT_MOST_S, max_attempts=None),
        connect_timeout=_CONNECT_S,
        control_connection_timeout=_CONNECT_S,
        idle_heartbeat_interval=5,
        idle_heartbeat_timeout=5,
    )
