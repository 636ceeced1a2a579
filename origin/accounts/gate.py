"""Where account routes may be answered, and for whom.

An edge that ends TLS sees the passphrases that pass through it. So the routes of an account are answered only at the
user's home, and only through the home's own shield, or directly. Elsewhere a 421 names the region and the shield's URL.
"""

from typing import NamedTuple

import falcon

from origin.accounts import passphrases, refresh_tokens
from origin.context import Context
from regions import ids
from regions.account_records import Credential, UserSession
from regions.errors import BadRequest, Misdirected, NotFound
from regions.records import User


class Owner(NamedTuple):
    """Who asks about their own account, in which session, and what the account's credentials were when it was read.

    What changes the account makes these a condition of its write. So it fails if the session ends with its passphrase.
    """

    user: User
    session: UserSession
    credentials: list[Credential]


class AccountGate:
    def __init__(self, context: Context) -> None:
        self._context = context

    def require_own_shield(self, request: falcon.Request) -> None:
        """Raises Misdirected for a request that came through another edge, Unauthenticated."""
        if self._context.nodes.requester(request) not in ("", self._context.shield_name()):
            raise self.misdirected(self._context.region.name)

    def require_home(self, region: str) -> None:
        """Raises Misdirected if it is another region, BadRequest if there is none of that name."""
        if region not in self._context.topology.regions:
            raise BadRequest(f"there is no region {region[:40]}")
        if region != self._context.region.name:
            raise self.misdirected(region)

    def require_owner(self, request: falcon.Request, user_id: str) -> Owner:
        """The user, who must be the one who asks. The session's record counts, and not only its token.

        So who was signed out a moment ago, by whatever process, changes no account any more. Raises Misdirected,
        Unauthenticated, Forbidden, NotFound.
        """
        self.require_own_shield(request)
        self.require_home(self._context.home_of(ids.USER, user_id).name)
        token = self._context.require_user(request, user_id)
        catalog = self._context.stores.catalog
        user, session = catalog.users.get(user_id), catalog.sessions.get(user_id, token.session_id)
        if user is None or user.deleted_at_ms is not None:
            raise NotFound(f"there is no user {user_id}")
        credentials = catalog.credentials.of_user(user_id)
        passphrase, now_ms = passphrases.among(credentials), self._context.clock_ms()
        if session is None or not refresh_tokens.is_alive(session, passphrase, now_ms):
            raise refresh_tokens.invalid()
        return Owner(user, session, credentials)

    def regions(self, names: list[str]) -> list[str]:
        """Those for which a client wants access tokens: this one, if it names none. Raises BadRequest."""
        if unknown := [name for name in names if name not in self._context.topology.regions]:
            raise BadRequest(f"there is no region {unknown[0][:40]}")
        return sorted(set(names)) or [self._context.region.name]

    def misdirected(self, region: str) -> Misdirected:
        return Misdirected(region, self._context.topology.shield_of(region).url)
