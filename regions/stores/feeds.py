"""The feeds port: for each user one list of photo ids, newest first, capped. A cache of what the catalogs know."""

from collections.abc import Collection
from typing import Protocol

from regions.stores.health import CheckResult

CAP = 500


class Feeds(Protocol):
    """Every method raises `Unavailable` where the store can't be reached."""

    def add(self, photo_id: str, user_ids: Collection[str]) -> None:
        """Puts the photo into each user's feed, once however often it is told, and trims each to the newest `CAP`."""
        ...

    def page(self, user_id: str, before: str | None, limit: int) -> list[str] | None:
        """Photo ids, newest (highest id) first, after the id `before`.

        None where the feed was never begun, or was lost: what was added since is not all that belongs there.
        """
        ...

    def mark_complete(self, user_id: str) -> None:
        """From now on the feed is whole: whoever calls this has had it filled. Idempotent."""
        ...

    def remove(self, photo_ids: Collection[str], user_id: str) -> None:
        """Idempotent."""
        ...

    def check_health(self) -> list[CheckResult]:
        """What is well with the store and what is not, found by reading and by writing something of its own.

        What is wrong is a finding and never raised. Bounded in time; leaves nothing behind.
        """
        ...

    def close(self) -> None: ...
