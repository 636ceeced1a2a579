"""The feeds port: one list of photo ids for each user, newest first, capped.

A cache: everything in it can be computed again from the catalogs.
"""

from collections.abc import Collection
from typing import Protocol

from regions.stores.health import CheckResult

CAP = 500

BACKFILL = 100
"""How many of an author's latest photos a new follower's feed gets."""


class Feeds(Protocol):
    """Every method raises `Unavailable` if the store can't be reached."""

    def add(self, photo_id: str, user_ids: Collection[str]) -> None:
        """Adds the photo to each user's feed and trims each feed to its newest `CAP`. Idempotent."""
        ...

    def page(self, user_id: str, before: str | None, limit: int) -> list[str] | None:
        """Photo ids, newest (highest id) first, after the id `before`.

        None if the feed was never marked as complete, or was lost since: then it has only some of its photos.
        """
        ...

    def mark_complete(self, user_id: str) -> None:
        """States that the feed is complete from now on: the caller has filled it. Idempotent."""
        ...

    def remove(self, photo_ids: Collection[str], user_id: str) -> None:
        """Idempotent."""
        ...

    def check_health(self) -> list[CheckResult]:
        """Checks the store by reading, and by writing something of its own.

        A problem is a result and never raised. Takes a bounded time and leaves nothing behind.
        """
        ...

    def close(self) -> None: ...
