"""Changes accounts at their home, and says so to the lanes: the second region's copies follow (`regions.border.kinds`).

The event goes into the outbox with the change, and from there into the event log. Everything raises Unavailable.
"""

from collections.abc import Callable, Collection

from regions.account_records import Credential
from regions.border.kinds import CREDENTIALS, USER
from regions.events.messages import Event, record_changed
from regions.events.outbox import OutboxPublisher
from regions.records import User
from regions.stores.catalog import Catalog


class AccountChanges:
    def __init__(self, catalog: Catalog, outbox: OutboxPublisher, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._outbox, self._clock_ms = catalog, outbox, clock_ms

    def add(self, user: User) -> None:
        event = self._event(USER, user.user_id)
        self._catalog.users.add(user, event)
        self._outbox.publish(event)

    def rename(self, user_id: str, name: str) -> bool:
        """As `Users.rename`."""
        event = self._event(USER, user_id)
        return self._published(self._catalog.users.rename(user_id, name, event), event)

    def mark_deleted(self, user_id: str) -> bool:
        """As `Users.mark_deleted`."""
        event = self._event(USER, user_id)
        return self._published(self._catalog.users.mark_deleted(user_id, self._clock_ms(), event), event)

    def replace_credentials(self, user_id: str, old: Collection[Credential], new: Collection[Credential]) -> bool:
        """As `UserCredentials.replace`."""
        event = self._event(CREDENTIALS, user_id)
        return self._published(self._catalog.credentials.replace(user_id, old, new, event), event)

    def _event(self, kind: str, user_id: str) -> Event:
        return record_changed(kind, user_id, "", user_id, "", self._clock_ms())

    def _published(self, is_made: bool, event: Event) -> bool:
        if is_made:
            self._outbox.publish(event)
        return is_made
