"""Where this process lists the photos that it deletes: in partitions that it has reserved for itself.

A chain is a sequence of partitions, and each is written by one process only: the one that reserved it, by a conditional
write (Paxos) that raises the chain's number of partitions by one. Within it the process appends by plain writes. It
reserves the next one when its own is full, or after some hours. So a process pays for a conditional write at most once
in some thousand deletions, no row is ever written by two processes, and a position is never used twice.

What if another process reserves the next partition although this one is still writing? (It may have been suspended for
so long that its chain looked free.) Readers may by then have passed this partition. So after its rows are stored, the
process reads the number of partitions again. If it has not changed, the rows were stored before anybody could write
behind them. If it has, the append fails: the deletions stay unfinished in the outbox, and the janitor lists their
tombstones again, in a partition of its own. No clock decides any of this.

A chain is marked as in use for some hours, so that processes choose different ones. The mark is only a courtesy: where
it is missing or wrong, an append fails as described, and its process goes to another chain.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from regions.errors import Unavailable
from regions.records import Tombstone
from regions.stores.cassandra.partitions import last_position_in
from regions.stores.cassandra.session import CassandraSession
from regions.tombstone_cursors import MAX_CHAINS

_IN_USE_S = 6 * 3600
_RESERVE_AFTER_S = 3 * 3600.0
_STEALS = 5

_INSERT = (
    "INSERT INTO tombstones (chain, partition, position, photo_id, owner_id, deleted_at) VALUES (?, ?, ?, ?, ?, ?)"
)
# Of two writes, Cassandra keeps the one with the later timestamp, here the higher position. So the head only moves
# forward, even if the write of a process that was suspended arrives after those of its successor.
_SET_HEAD = "INSERT INTO tombstone_heads (one, chain, position) VALUES (0, ?, ?) USING TIMESTAMP ?"
_GET_CHAIN = "SELECT partitions, in_use FROM tombstone_chains WHERE chain = ?"
_RESERVE = "UPDATE tombstone_chains SET partitions = ? WHERE chain = ? IF partitions = ?"
_USE = f"UPDATE tombstone_chains USING TTL {_IN_USE_S} SET in_use = true WHERE chain = ?"


@dataclass(slots=True)
class _Reserved:
    """A partition of a chain that only this process writes; `last` is the last position that it has used."""

    chain: int
    partition: int
    last: int
    since_s: float

    def has_room_for(self, count: int) -> bool:
        return self.last + count <= last_position_in(self.partition)


class TombstoneWriter:
    """Not safe for threads: `GroupCommit` calls it from one at a time. `clock_s` must be monotonic."""

    def __init__(self, session: CassandraSession, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._session, self._clock_s = session, clock_s
        self._reserved: _Reserved | None = None

    def commit(self, tombstones: Sequence[Tombstone]) -> list[None]:
        """Lists them, in this order: when it returns None for each, no reader misses any. 1 to 5,000 of them.

        Raises Unavailable: then some may be listed nonetheless.
        """
        own = self._partition_for(len(tombstones))
        first = own.last + 1
        # Before the write: a batch that got no response may still be stored later, and so its positions are not used
        # again.
        own.last += len(tombstones)
        self._session.execute_partition_batch(
            (_INSERT, own.chain, own.partition, position, one.photo_id, one.owner_id, one.deleted_at_ms)
            for position, one in enumerate(tombstones, first)
        )
        _, chain = self._session.execute_concurrent(
            [(_SET_HEAD, own.chain, own.last, own.last), (_GET_CHAIN, own.chain)]
        )
        if not chain or chain[0][0] != own.partition + 1:
            self._reserved = None
            raise Unavailable("another process has continued this process's chain of tombstones")
        return [None] * len(tombstones)

    def _partition_for(self, count: int) -> _Reserved:
        """The partition that this process has, or a new one if that has no room or is some hours old."""
        own = self._reserved
        if own is None or not own.has_room_for(count) or self._clock_s() - own.since_s > _RESERVE_AFTER_S:
            next_one = self._reserve(own.chain, own.partition + 1) if own else None
            own = self._reserved = next_one or self._reserve_anywhere()
        return own

    def _reserve_anywhere(self) -> _Reserved:
        for chain, is_last_resort in _candidates():
            found = self._session.execute(_GET_CHAIN, chain)
            partitions, in_use = found[0] if found else (None, None)
            if (is_last_resort or not in_use) and (reserved := self._reserve(chain, partitions)):
                return reserved
        raise Unavailable("too many processes begin to delete photos at once")

    def _reserve(self, chain: int, partitions: int | None) -> _Reserved | None:
        """The chain's next partition; None if the chain does not have that many `partitions` (None: no row) now.

        If it raises Unavailable, the partition may be reserved nonetheless. It then stays empty.
        """
        now_s, partition = self._clock_s(), partitions or 0
        calls = (_RESERVE, partition + 1, chain, partitions), (_USE, chain)
        if not self._session.execute_conditional(*calls):
            return None
        return _Reserved(chain, partition, last_position_in(partition - 1), now_s)


def _candidates() -> Iterator[tuple[int, bool]]:
    """The chains to try, and whether to take one although it is in use: one at random among the first 1, 2, 4 … 1024.

    Each attempt is more likely to succeed than the one before, and few more chains are ever used than processes delete
    at once: each chain costs every reader a cursor.
    """
    width = 1
    while width <= MAX_CHAINS:
        yield random.randrange(width), False
        width *= 2
    for _ in range(_STEALS):
        yield random.randrange(MAX_CHAINS), True
