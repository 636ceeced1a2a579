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

import random
from collections.abc import Mapping, Sequence

from regions.records import Tombstone
from regions.stores.cassandra import columns
from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import last_position_in, tombstone_partition
from regions.stores.cassandra.rows import SELECT_TOMBSTONE, to_tombstone
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import TombstoneEntry, TombstonePage

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

    def after(self, cursors: Positions, limit: int) -> TombstonePage:
        """Each chain is read up to its head, or to its share of the limit, over the gaps between its partitions."""
        heads: dict[int, int] = dict(self._session.execute(_HEADS))
        unread = {chain: at for chain, head in heads.items() if (at := _valid(cursors.get(chain, 0), head)) < head}
        found: list[TombstoneEntry] = []
        complete = True
        while unread and len(found) < limit:
            # At random, so that none waits forever where there are more chains than a page may have entries.
            chains = random.sample(sorted(unread), min(len(unread), limit - len(found)))
            share = (limit - len(found)) // len(chains)
            for chain, rows in zip(chains, self._read(chains, unread, heads, share), strict=True):
                found += rows
                at = unread.pop(chain)
                if len(rows) == share:
                    complete = complete and rows[-1].position == heads[chain]
                elif (end := last_position_in(tombstone_partition(at + 1))) < heads[chain]:
                    unread[chain] = end
        return TombstonePage(found, complete and not unread)

    def _read(
        self, chains: Sequence[int], after: Positions, heads: Positions, share: int
    ) -> list[list[TombstoneEntry]]:
        """For each of these chains its next rows, at most `share`, from one partition."""
        responses = self._session.execute_concurrent(
            (_ROWS, chain, tombstone_partition(after[chain] + 1), after[chain], heads[chain], share) for chain in chains
        )
        return [
            [
                TombstoneEntry(chain, position, tombstone)
                for position, photo_id, *values in rows
                if (tombstone := columns.to_tombstone(photo_id, values)) is not None
            ]
            for chain, rows in zip(chains, responses, strict=True)
        ]


def _valid(cursor: int, head: int) -> int:
    """The position to read on from. A cursor that can't be this store's counts as 0."""
    return cursor if 0 <= cursor <= head else 0
