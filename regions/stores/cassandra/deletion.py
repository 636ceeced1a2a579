"""What follows a photo's tombstone in Cassandra: its rows in other partitions go, and its position is recorded."""

from collections.abc import Callable

from regions.group_commit import GroupCommit
from regions.records import Tombstone
from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import partition_year, years
from regions.stores.cassandra.rows import SELECT_TOMBSTONE, to_tombstone
from regions.stores.cassandra.session import Call, CassandraSession

# A photo may be listed after its deletion, by an update that started before (`CassandraPhotos._list`). So the row is
# removed with a time in the future: Cassandra hides what is written with an earlier one. Ten days, because it keeps the
# marker of a removed row for that long (gc_grace_seconds) and may drop it afterwards; no update takes so long.
_UNLIST_AHEAD_MS = 864_000_000


class Deletion:
    """The steps after the conditional write that stored the tombstone.

    They are several writes to several partitions, so a process can die between any two. The outbox intent of the
    deletion is then still marked as incomplete, and the sweep calls `resume`.
    """

    def __init__(
        self, session: CassandraSession, order: GroupCommit[Tombstone, None], clock_ms: Callable[[], int]
    ) -> None:
        self._session, self._order, self._clock_ms = session, order, clock_ms

    def finish(self, tombstone: Tombstone) -> None:
        """Safe to repeat, except that the tombstone is then listed twice."""
        photo_id, owner_id = key(tombstone.photo_id), key(tombstone.owner_id)
        calls: list[Call] = [self._unlisting(photo_id, owner_id)]
        for year in years(self._clock_ms()):
            calls.append(("DELETE FROM likes WHERE photo_id = ? AND year = ?", photo_id, year))
            calls.append(("DELETE FROM comments WHERE photo_id = ? AND year = ?", photo_id, year))
            calls.append(("DELETE FROM copies WHERE about = ? AND year = ?", photo_id, year))
        self._session.execute_concurrent(calls)
        self._order.commit(tombstone)

    def resume(self, photo_id: str) -> bool:
        """Finishes a deletion whose process has probably died; False if the photo has no tombstone.

        The read is serial: it first completes a conditional write of the tombstone that was cut off.
        """
        tombstone = to_tombstone(self._session.execute_serial(SELECT_TOMBSTONE, photo_id))
        if tombstone is not None:
            self.finish(tombstone)
        return tombstone is not None

    def unlist_if_deleted(self, photo_id: str, owner_id: str) -> None:
        """For a photo that was listed and then not changed. Idempotent."""
        if is_deleted(self._session, photo_id):
            self._session.execute(*self._unlisting(photo_id, owner_id))

    def _unlisting(self, photo_id: str, owner_id: str) -> Call:
        unlist = "DELETE FROM photos_by_owner USING TIMESTAMP ? WHERE owner_id = ? AND year = ? AND photo_id = ?"
        time_us = (self._clock_ms() + _UNLIST_AHEAD_MS) * 1000
        return unlist, time_us, owner_id, partition_year(photo_id), photo_id


def is_deleted(session: CassandraSession, photo_id: str) -> bool:
    return to_tombstone(session.execute(SELECT_TOMBSTONE, key(photo_id))) is not None
