"""When the uploads of the Cassandra catalog expire: an entry for each, in slots of ten minutes.

An entry is written before its upload and taken away when it has come up and the photo has gone on: to complete an
upload costs no write here.
"""

from collections.abc import Callable

from regions.records import Upload
from regions.stores.cassandra.partitions import EXPIRY_MS
from regions.stores.cassandra.session import CassandraSession, Row

# An entry without a photo may be about to get it; a slot that is empty may be about to get an entry.
_GRACE_MS = 3_600_000
_PAGE = 500
_DELETE = "DELETE FROM expiries WHERE slot = ? AND expires_at_ms = ? AND photo_id = ?"


class CassandraExpiries:
    """`look` gives for each photo id its status and its upload, or None for each that is not there."""

    def __init__(
        self, session: CassandraSession, look: Callable[[list[str]], list[tuple[str | None, Upload | None]]]
    ) -> None:
        self._session, self._look = session, look
        self._noted_slots: set[int] = set()

    def note(self, photo_id: str, expires_at_ms: int) -> None:
        slot = expires_at_ms // EXPIRY_MS
        if slot not in self._noted_slots:
            self._session.rows("INSERT INTO expiry_slots (one, slot) VALUES (0, ?)", slot)
            self._noted_slots = {slot} if len(self._noted_slots) > 1000 else self._noted_slots | {slot}
        insert = "INSERT INTO expiries (slot, expires_at_ms, photo_id) VALUES (?, ?, ?)"
        self._session.rows(insert, slot, expires_at_ms, photo_id)

    def expired(self, before_ms: int, limit: int) -> list[Upload]:
        """Oldest first. Takes away what has gone on."""
        query = "SELECT slot FROM expiry_slots WHERE one = 0 AND slot <= ?"
        found: list[Upload] = []
        for (slot,) in self._session.rows(query, before_ms // EXPIRY_MS):
            found += self._expired_in(slot, before_ms, limit - len(found))
            if len(found) >= limit:
                break
        return found

    def _expired_in(self, slot: int, before_ms: int, limit: int) -> list[Upload]:
        query = (
            "SELECT expires_at_ms, photo_id FROM expiries"
            " WHERE slot = ? AND (expires_at_ms, photo_id) > (?, ?) AND expires_at_ms < ? LIMIT ?"
        )
        found: list[Upload] = []
        last: Row = (-1, "")
        seen = False
        while entries := self._session.rows(query, slot, *last, before_ms, _PAGE):
            seen, last = True, entries[-1]
            found += self._sort_out(slot, entries, before_ms)
            if len(found) >= limit or len(entries) < _PAGE:
                break
        if not seen and (slot + 1) * EXPIRY_MS + _GRACE_MS < before_ms:
            self._session.rows("DELETE FROM expiry_slots WHERE one = 0 AND slot = ?", slot)
        return found[:limit]

    def _sort_out(self, slot: int, entries: list[Row], before_ms: int) -> list[Upload]:
        """The uploads that have expired; the entries of the others go."""
        found: list[Upload] = []
        over: list[Row] = []
        states = self._look([photo_id for _, photo_id in entries])
        for (expires_at_ms, photo_id), (status, upload) in zip(entries, states, strict=True):
            if status == "uploading" and upload is not None and upload.expires_at_ms == expires_at_ms:
                found.append(upload)
            elif status is not None or expires_at_ms + _GRACE_MS < before_ms:
                over.append((slot, expires_at_ms, photo_id))
        self._session.each((_DELETE, *entry) for entry in over)
        return found
