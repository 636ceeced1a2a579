"""The part of the catalog port that is about accounts: handles, credentials, sessions, and accounts to be erased.

As in `catalog`, every method is one write or one bounded read, raises `Unavailable` when the store can't be reached,
and a write that has returned survives kill -9. Where a method returns a bool, it is a conditional write, and the bool
is its outcome. If such a write raises `Unavailable`, its outcome is unknown; it may be repeated only if its docstring
says so.
"""

from collections.abc import Collection
from typing import Protocol

from regions.account_records import Credential, EndedSession, UserSession
from regions.events.messages import Event

MAX_SESSIONS = 50
"""Of one user, scripts included."""


class Handles(Protocol):
    """Who has a handle, in this region. A handle is never released, so that nobody can pose as who had it."""

    def claim(self, handle: str, user_id: str) -> bool:
        """False if another user has it. Idempotent for one user."""
        ...

    def owner(self, handle: str) -> str | None: ...


class UserCredentials(Protocol):
    def of_user(self, user_id: str) -> list[Credential]: ...

    def replace(
        self, user_id: str, old: Collection[Credential], new: Collection[Credential], event: Event | None = None
    ) -> bool:
        """Removes the old and adds the new, in one write. One that has the id of an old one takes its place.

        One that is old and new stays, as a condition of the write.
        False, and nothing changes, unless each old one is there with its verifier, and no other new one is there yet.
        The event goes into the outbox as with a change of `Users`.
        """
        ...


class Sessions(Protocol):
    def add(self, session: UserSession) -> None: ...
    def get(self, user_id: str, session_id: str) -> UserSession | None: ...

    def of_user(self, user_id: str) -> list[UserSession]:
        """In no particular order; ended ones too, until they are removed."""
        ...

    def change(self, session: UserSession) -> bool:
        """Replaces the session of the version before; False if the version that is there is another one, or none."""
        ...

    def remove(self, user_id: str, session_id: str) -> None:
        """Idempotent."""
        ...


class EndedSessions(Protocol):
    """Sessions that have ended within the last hour at least; older ones may be gone."""

    def add(self, ended: EndedSession) -> None:
        """Idempotent."""
        ...

    def after(self, at_ms: int, session_id: str, limit: int) -> list[EndedSession]:
        """Those after (`at_ms`, `session_id`), in that order. One that was added late may be before what was read."""
        ...


class AccountErasures(Protocol):
    """Accounts that their owners have deleted, and of which there may still be photos."""

    def add(self, user_id: str, at_ms: int) -> None:
        """Idempotent; the first time counts."""
        ...

    def pending(self, after: str | None, limit: int) -> list[tuple[str, int]]:
        """User ids after `after`, in their order, each with the time when the account was deleted."""
        ...

    def remove(self, user_id: str) -> None: ...
