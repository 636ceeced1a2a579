"""The connection to Cassandra: its deadlines, which requests are repeated, and what its errors mean.

Consistency is LOCAL_QUORUM, and LOCAL_SERIAL for conditional writes: with three replicas in the region, one may be
down, and no request waits for another region. Every statement is prepared on first use, so that the driver knows which
replicas own the row and sends the request to one of them.
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
"""A statement's text, followed by its values."""

_REQUEST_S = 5.0
_CONNECT_S = 5.0
_SCHEMA_S = 30.0
# When a node is slower than nearly all reads are, the same request goes to a second node; the first response counts.
_SPECULATE_AFTER_S, _SPECULATIONS = 0.2, 1
_RECONNECT_FIRST_S, _RECONNECT_MOST_S = 0.25, 5.0
# A long list must not fill the server's queues.
_REQUESTS_AT_ONCE = 64

# Errors in the caller's statement or data: they would be the same on every attempt.
CALLER_ERRORS = (InvalidRequest, SyntaxException, cassandra.ConfigurationException)
# ErrorMessage: errors without an exception class in the driver, such as CAS_WRITE_UNKNOWN (0x1700), the unknown outcome
# of a conditional write.
_UNAVAILABLE = (cassandra.DriverException, NoHostAvailable, ConnectionException, ErrorMessage, OSError)


class CassandraSession:
    """Safe for threads, but not in a process that was forked from this one. Every method raises Unavailable.

    Connects when it is made, and from then on reconnects by itself, however long the server was down. The keyspace need
    not exist yet: `use` selects it.
    """

    def __init__(self, address: CassandraAddress, login: tuple[str, str] | None) -> None:
        self.address = address
        self._closed = False
        self._prepared: dict[str, PreparedStatement] = {}
        self._cluster = _cluster(address, login)
        try:
            with self._errors_as_unavailable():
                self._session: Session = self._cluster.connect()
        except BaseException:
            self._cluster.shutdown()
            raise

    def use(self, keyspace: str) -> None:
        with self._errors_as_unavailable():
            self._session.set_keyspace(keyspace)

    def execute(self, *call: Any) -> list[Row]:
        """One bounded read, or one write that may be repeated; a write returns no rows."""
        with self._errors_as_unavailable():
            return list(self._session.execute(self._bound(call)))

    def execute_serial(self, *call: Any) -> list[Row]:
        """A read by a Paxos round, which first completes a conditional write that is in progress on the partition."""
        with self._errors_as_unavailable():
            bound = self._bound(call)
            bound.consistency_level = ConsistencyLevel.LOCAL_SERIAL
            return list(self._session.execute(bound))

    def execute_concurrent(self, calls: Iterable[Call]) -> list[list[Row]]:
        """Many reads or repeatable writes at once, each sent to its own replica; their rows, in the order of the calls.

        Not `IN`: that makes one node fetch everything from all the others (Cassandra's documentation, "IN").
        """
        responses: list[list[Row]] = []
        waiting: deque[Any] = deque()
        with self._errors_as_unavailable():
            for call in calls:
                if len(waiting) == _REQUESTS_AT_ONCE:
                    responses.append(list(waiting.popleft().result()))
                waiting.append(self._session.execute_async(self._bound(call)))
            responses += [list(future.result()) for future in waiting]
        return responses

    def execute_batch(self, calls: Iterable[Call]) -> None:
        """Writes to several partitions: eventually all or none (a logged batch)."""
        with self._errors_as_unavailable():
            self._session.execute(self._batch(BatchType.LOGGED, calls, is_idempotent=True))

    def execute_partition_batch(self, calls: Iterable[Call]) -> None:
        """Writes to one partition: all become visible at once (an unlogged batch, as cheap as one write)."""
        with self._errors_as_unavailable():
            self._session.execute(self._batch(BatchType.UNLOGGED, calls, is_idempotent=True))

    def execute_conditional(self, *calls: Call) -> bool:
        """Conditional writes (Paxos) to one partition, all or none; False if a condition does not hold.

        If it raises Unavailable, the outcome is unknown.
        """
        with self._errors_as_unavailable():
            if len(calls) == 1:
                bound = self._bound(calls[0])
                bound.is_idempotent = False
                return bool(self._session.execute(bound).one()[0])
            return bool(self._session.execute(self._batch(BatchType.LOGGED, calls, is_idempotent=False)).one()[0])

    def change_schema(self, statement: str) -> None:
        """Returns when all nodes that are up agree on the schema. Raises Unavailable if they do not."""
        with self._errors_as_unavailable():
            future = self._session.execute_async(statement, timeout=_SCHEMA_S)
            future.result()
            if not future.is_schema_agreed:
                raise Unavailable("the nodes of the store do not agree on its schema yet")

    def execute_unprepared(self, statement: str) -> list[Row]:
        """A statement that is not worth preparing, since it is rarely run."""
        with self._errors_as_unavailable():
            return list(self._session.execute(statement))

    def close(self) -> None:
        """Idempotent. Later calls get Unavailable."""
        self._closed = True
        self._cluster.shutdown()

    def _bound(self, call: Call) -> Any:
        return self._statement(call[0]).bind(call[1:])

    def _batch(self, kind: BatchType, calls: Iterable[Call], is_idempotent: bool) -> BatchStatement:
        batch = BatchStatement(kind)
        batch.is_idempotent = is_idempotent
        for text, *values in calls:
            batch.add(self._statement(text), values)
        return batch

    def _statement(self, text: str) -> PreparedStatement:
        found = self._prepared.get(text)
        if found is None:
            # Without a lock, two threads may both prepare it, which is harmless; with one, they would all queue while a
            # server hangs.
            found = self._session.prepare(text)
            # Conditional writes must not be repeated blindly: `execute_conditional` sets this to False again.
            found.is_idempotent = True
            self._prepared[text] = found
        return found

    @contextmanager
    def _errors_as_unavailable(self) -> Iterator[None]:
        """Turns errors that mean that Cassandra can't serve into Unavailable, without its addresses."""
        if self._closed:
            raise Unavailable("the store is closed")
        try:
            yield
        except CALLER_ERRORS:
            raise
        except _UNAVAILABLE as error:
            raise Unavailable(f"the store does not answer: {type(error).__name__}") from error
        except RuntimeError as error:
            # From the driver's thread pool, if another thread has closed it in the meantime.
            if not self._closed:
                raise
            raise Unavailable("the store is closed") from error


class RetryIdempotent(RetryPolicy):  # type: ignore[misc]
    """Repeats a request once, on another node, but never a conditional write.

    Plain writes have their timestamp from the driver, so that repeating them changes nothing. A conditional write that
    succeeded would fail when it is repeated, and so report the wrong outcome; its caller does a serial read instead.
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
        return self._retry_once(query, retry_num)

    def on_write_timeout(
        self,
        query: Any,
        consistency: int,
        write_type: int,
        required_responses: int,
        received_responses: int,
        retry_num: int,
    ) -> tuple[int, int | None]:
        return self._retry_once(query, retry_num)

    def on_unavailable(
        self, query: Any, consistency: int, required_replicas: int, alive_replicas: int, retry_num: int
    ) -> tuple[int, int | None]:
        return self._retry_once(query, retry_num)

    def on_request_error(
        self, query: Any, consistency: int | None, error: Any, retry_num: int
    ) -> tuple[int, int | None]:
        return self._retry_once(query, retry_num)

    def _retry_once(self, query: Any, retry_num: int) -> tuple[int, int | None]:
        is_repeatable = query is not None and query.is_idempotent
        return (self.RETRY_NEXT_HOST if is_repeatable and retry_num == 0 else self.RETHROW), None


def first_rows(responses: Iterable[list[Row]]) -> Iterator[Row]:
    """The first row of each response that has one."""
    return (rows[0] for rows in responses if rows)


def _cluster(address: CassandraAddress, login: tuple[str, str] | None) -> Cluster:
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=address.datacenter)),
        retry_policy=RetryIdempotent(),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        request_timeout=_REQUEST_S,
        row_factory=tuple_factory,
        # One slow node must not make a page slow. The driver does this for idempotent statements only.
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(_SPECULATE_AFTER_S, _SPECULATIONS),
    )
    return Cluster(
        contact_points=list(address.hosts),
        port=address.hosts[0][1],
        protocol_version=5,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        auth_provider=PlainTextAuthProvider(*login) if login else None,
        # No limit: the driver's default gives up on a node after 64 attempts.
        reconnection_policy=ExponentialReconnectionPolicy(_RECONNECT_FIRST_S, _RECONNECT_MOST_S, max_attempts=None),
        connect_timeout=_CONNECT_S,
        control_connection_timeout=_CONNECT_S,
        idle_heartbeat_interval=5,
        idle_heartbeat_timeout=5,
    )
