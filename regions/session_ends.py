"""Ends sessions and accounts, in the order in which a crash in between does no harm.

A session ends in its own record first, so that it gets no more access tokens; then its end is announced, so that those
that it has are refused. Ending it again announces it again. An account that is closed is pending until
everything of it is erased (`processing.background.erasure`), so that what a crash left undone is done.
"""

from collections.abc import Callable
from dataclasses import replace

from regions.account_changes import AccountChanges
from regions.account_records import EndedSession, UserSession
from regions.errors import Unavailable
from regions.stores.catalog import Catalog

_ATTEMPTS = 8


class SessionEnds:
    def __init__(self, catalog: Catalog, changes: AccountChanges, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._changes, self._clock_ms = catalog, changes, clock_ms

    def end(self, user_id: str, session_id: str) -> bool:
        """Whether this user has such a session, and it has had tokens, which are to be refused now.

        Idempotent, also if there is no such session. Raises Unavailable.
        """
        for _ in range(_ATTEMPTS):
            session = self._catalog.sessions.get(user_id, session_id)
            if session is None:
                return False
            ended = replace(session, version=session.version + 1, ended_at_ms=self._clock_ms())
            if session.ended_at_ms is not None or self._catalog.sessions.change(ended):
                return self._announce(session)
        raise Unavailable("the session is being changed by too many others")

    def _announce(self, session: UserSession) -> bool:
        """Regions are recorded before their tokens are issued: without any there is nothing to be refused."""
        if session.regions:
            entry = EndedSession(session.session_id, self._clock_ms(), session.regions)
            self._catalog.ended_sessions.add(entry)
        return bool(session.regions)

    def end_all(self, user_id: str, except_id: str | None = None) -> list[str]:
        """The ids of those that were alive and have had tokens."""
        session_ids = [
            session.session_id
            for session in self._catalog.sessions.of_user(user_id)
            if session.session_id != except_id and session.ended_at_ms is None
        ]
        return [session_id for session_id in session_ids if self.end(user_id, session_id)]

    def close_account(self, user_id: str) -> list[str]:
        """Nobody can sign in any more; name, country and credentials are gone. Idempotent. Returns ended sessions.

        The handle stays with the account for good, so that nobody else can pose as this person.
        """
        self._catalog.erasures.add(user_id, self._clock_ms())
        self._changes.mark_deleted(user_id)
        while credentials := self._catalog.credentials.of_user(user_id):
            self._changes.replace_credentials(user_id, credentials, [])
        return self.end_all(user_id)
