"""Tombstones in Cassandra, and how readers follow the order in which they arrived.

Each process that deletes appends to a chain of its own, so that processes do not wait for one another. Three tables
hold the chains:

    tombstones ((chain, partition), position)   one tombstone each; a partition has 5,000 positions
    tombstone_heads                             up to which position each chain may be read, all in one partition
    tombstone_chains                            how many partitions of each chain are reserved (`tombstone_writer`)

A commit writes the rows first and then the head. A reader reads the heads, and then, of those chains that have advanced
beyond its cursors, the rows up to the head. So it finds every row of every commit that succeeded, and a chain at rest
costs it nothing.

There are gaps: a partition may be left before it is full, and a commit that failed does not use its positions again,
because its rows may still arrive, perhaps behind a reader. That reader misses nothing: the deletions of a commit that
failed are finished by the janitor, which lists their tombstones again.
"""

from collections.abc import Mapping

from regions.records import Tombstone
from regions.stores.cassandra import columns
from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import last_position_in, tombstone_partition
from regions.stores.cassandra.rows import SELECT_TOMBSTONE, to_tombstone
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import TombstoneEntry

_HEADS = "SELECT chain, position FROM tombstone_heads WHERE one = 0"
_ROWS = (
    f"SELECT position, photo_id, {columns.TOMBSTONE} FROM tombstones"
    " WHERE chain = ? AND partition = ? AND position > ? AND position <= ? LIMIT ?"
)

Positions = Mapping[int, int]
"""A position in each of some chains, by the chain's number."""


class CassandraTombstones:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def get(self, photo_id: str) -> Tombstone | None:
        return to_tombstone(self._session.execute(SELECT_TOMBSTONE, key(photo_id)))

    def after(self, cursors: Positions, limit: int) -> list[TombstoneEntry]:
        heads: dict[int, int] = dict(self._session.execute(_HEADS))
        unread = {chain: at for chain, head in heads.items() if (at := _start(cursors.get(chain, 0), head)) < head}
        found: list[TombstoneEntry] = []
        while unread and not found:
            reading = dict(list(unread.items())[:limit])
            found = self._read(reading, heads, limit)
            if not found:
                # Only gaps are left in these partitions: on to the next ones.
                ends = {chain: last_position_in(tombstone_partition(at + 1)) for chain, at in reading.items()}
                unread = {chain: at for chain, at in {**unread, **ends}.items() if at < heads[chain]}
        return found

    def _read(self, after: Positions, heads: Positions, limit: int) -> list[TombstoneEntry]:
        """The next rows of each of these chains: an equal share of the limit, and from one partition."""
        share = limit // len(after)
        responses = self._session.execute_concurrent(
            (_ROWS, chain, tombstone_partition(at + 1), at, heads[chain], share) for chain, at in after.items()
        )
        return [
            TombstoneEntry(chain, position, tombstone)
            for chain, rows in zip(after, responses, strict=True)
            for position, photo_id, *values in rows
            if (tombstone := columns.to_tombstone(photo_id, values)) is not None
        ]


def _start(cursor: int, head: int) -> int:
    """The position to read on from. A cursor that can't be this store's counts as 0."""
    return cursor if 0 <= cursor <= head else 0
