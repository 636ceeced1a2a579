"""Erases what is left of accounts that their owners have deleted: photos, likes, comments and follows.

It goes on for a day, since a photo that was being uploaded or processed becomes ready, and so listed, only later.
"""

from collections.abc import Callable, Iterator

from regions.account_changes import AccountChanges
from regions.border.kinds import COMMENT, FOLLOW, LIKE
from regions.events import messages
from regions.events.outbox import OutboxPublisher
from regions.photo_deletion import PhotoDeletion
from regions.session_ends import SessionEnds
from regions.stores.catalog import Catalog

EVERY_S = 60.0
LOCK = "erase-accounts"

_ACCOUNTS, _PAGE = 100, 100
# Longer than an upload may take, and than a photo may wait.
_SETTLED_MS = 25 * 3600 * 1000
_LOOK_AGAIN_MS = 3600 * 1000


class Erasure:
    def __init__(
        self, catalog: Catalog, deletion: PhotoDeletion, outbox: OutboxPublisher, clock_ms: Callable[[], int]
    ) -> None:
        self._catalog, self._deletion, self._outbox, self._clock_ms = catalog, deletion, outbox, clock_ms
        self._ends = SessionEnds(catalog, AccountChanges(catalog, outbox, clock_ms), clock_ms)
        # When there was nothing left of an account that is still pending.
        self._empty_at_ms: dict[str, int] = {}

    def run_once(self) -> int:
        """Returns how many things it erased: of each account a page of each kind. Raises Unavailable.

        Several processes may run this at once: each step is idempotent.
        """
        now_ms, erased, empty_at_ms = self._clock_ms(), 0, {}
        for user_id, deleted_at_ms in self._pending():
            looked_ms = self._empty_at_ms.get(user_id)
            count = 0
            if looked_ms is None or now_ms - looked_ms >= _LOOK_AGAIN_MS:
                count, looked_ms = self._erase(user_id), now_ms
            if count == 0 and looked_ms - deleted_at_ms >= _SETTLED_MS:
                self._catalog.erasures.remove(user_id)
            elif count == 0:
                empty_at_ms[user_id] = looked_ms
            erased += count
        self._empty_at_ms = empty_at_ms
        return erased

    def _pending(self) -> Iterator[tuple[str, int]]:
        after: str | None = None
        while page := self._catalog.erasures.pending(after, _ACCOUNTS):
            yield from page
            after = page[-1][0]

    def _erase(self, user_id: str) -> int:
        """Also what a crash left undone when the account was closed."""
        self._ends.close_account(user_id)
        return sum((self._photos(user_id), self._likes(user_id), self._comments(user_id), self._follows(user_id)))

    def _photos(self, user_id: str) -> int:
        listed = self._catalog.photos.by_owner(user_id, None, _PAGE)
        photos = [photo for one in listed if (photo := self._catalog.photos.get(one.photo_id)) is not None]
        for photo in photos:
            self._deletion.delete(photo)
        return len(photos)

    def _likes(self, user_id: str) -> int:
        photo_ids = self._catalog.likes.by_user(user_id, None, _PAGE)
        for photo_id in photo_ids:
            event = messages.record_changed(LIKE, photo_id, user_id, user_id, "", self._clock_ms())
            self._catalog.likes.remove(photo_id, user_id, event)
            self._outbox.publish(event)
        return len(photo_ids)

    def _comments(self, user_id: str) -> int:
        comments = self._catalog.comments.by_author(user_id, None, _PAGE)
        for comment in comments:
            photo_id, comment_id = comment.photo_id, comment.comment_id
            event = messages.record_changed(COMMENT, photo_id, comment_id, user_id, "", self._clock_ms())
            self._catalog.comments.remove(photo_id, comment_id, event)
            self._outbox.publish(event)
        return len(comments)

    def _follows(self, user_id: str) -> int:
        author_ids = self._catalog.follows.authors(user_id, None, _PAGE)
        for author_id in author_ids:
            now_ms = self._clock_ms()
            events = (
                messages.follow_changed(user_id, author_id, False, now_ms),
                messages.record_changed(FOLLOW, user_id, author_id, user_id, "", now_ms),
            )
            self._catalog.follows.change(user_id, author_id, False, *events)
            self._outbox.publish(*events)
        return len(author_ids)
