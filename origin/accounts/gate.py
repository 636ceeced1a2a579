"""Where account routes may be answered, and for whom.

An edge that ends TLS sees the passphrases that pass through it. So the routes of an account are answered only at the
user's home, and only through the home's own shield, or directly. Elsewhere a 421 names the region and the shield's URL.
"""

import falcon

from origin.context import Context
from regions import ids
from regions.errors import BadRequest, Misdirected, NotFound
from regions.records import User
from regions.user_tokens import AccessToken


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

    def require_owner(self, request: falcon.Request, user_id: str) -> tuple[User, AccessToken]:
        """The user, who must be the one who asks. Raises Misdirected, Unauthenticated, Forbidden, NotFound."""
        self.require_own_shield(request)
        self.require_home(self._context.home_of(ids.USER, user_id).name)
        token = self._context.require_user(request, user_id)
        user = self._context.stores.catalog.users.get(user_id)
        if user is None or user.deleted_at_ms is not None:
            raise NotFound(f"there is no user {user_id}")
        return user, token

    def regions(self, names: list[str]) -> list[str]:
        """Those for which a client wants access tokens: this one, if it names none. Raises BadRequest."""
        if unknown := [name for name in names if name not in self._context.topology.regions]:
            raise BadRequest(f"there is no region {unknown[0][:40]}")
        return sorted(set(names)) or [self._context.region.name]

    def misdirected(self, region: str) -> Misdirected:
        return Misdirected(region, self._context.topology.shield_of(region).url)
