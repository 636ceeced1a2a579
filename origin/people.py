"""People: profiles, their photos, whom they follow, and the end of an account. All else of accounts: `accounts`."""

import falcon

from origin import fields, views
from origin.accounts.gate import AccountGate
from origin.context import Context
from origin.residency_guard import ResidencyGuard
from regions import ids
from regions.border.kinds import FOLLOW
from regions.errors import BadGateway, NotFound, Unavailable, Unprocessable
from regions.events import messages
from regions.records import User
from regions.region_client import RegionRequest

_AUTHOR_S = 1.0


class PeopleResource:
    def __init__(self, context: Context, guard: ResidencyGuard, gate: AccountGate) -> None:
        self._context, self._guard, self._gate = context, guard, gate
        self._catalog = context.stores.catalog

    def on_get(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        user = self._find(user_id)
        self._guard.require(user, self._context.nodes.requester(request))
        response.media = views.user(user)

    def on_delete(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        """The account is closed when this returns; the janitor then erases its photos, likes, comments and follows."""
        self._gate.require_owner(request, user_id)
        self._context.revoked.add(self._context.region.name, self._context.ends.close_account(user_id))
        response.status = falcon.HTTP_204

    def on_get_photos(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        self._find(user_id)
        before, limit = fields.page(request, ids.PHOTO)
        photos = self._catalog.photos.by_owner(user_id, before, limit)
        requester = self._context.nodes.requester(request)
        edge_url = self._context.edge_url(requester)
        items = [views.listed_photo(photo, edge_url) for photo in self._guard.visible(photos, requester)]
        response.media = views.listing(items, limit, [photo.photo_id for photo in photos])

    def on_get_following(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        self._context.require_user(request, user_id)
        before, limit = fields.page(request, ids.USER)
        author_ids = self._catalog.follows.authors(user_id, before, limit)
        response.media = views.listing(author_ids, limit, author_ids)

    def on_put_author(self, request: falcon.Request, response: falcon.Response, user_id: str, author_id: str) -> None:
        self._context.require_user(request, user_id)
        if author_id == user_id:
            raise Unprocessable("you can't follow yourself")
        self._context.limiter.take(request, response, user=user_id)
        self._require_may_follow(user_id, author_id)
        self._require_author(author_id)
        self._set_following(user_id, author_id, True)
        response.status = falcon.HTTP_204

    def on_delete_author(
        self, request: falcon.Request, response: falcon.Response, user_id: str, author_id: str
    ) -> None:
        self._context.require_user(request, user_id)
        self._context.home_of(ids.USER, author_id)
        self._context.limiter.take(request, response, user=user_id)
        self._set_following(user_id, author_id, False)
        response.status = falcon.HTTP_204

    def _set_following(self, user_id: str, author_id: str, following: bool) -> None:
        now_ms = self._context.clock_ms()
        events = (
            messages.follow_changed(user_id, author_id, following, now_ms),
            messages.record_changed(FOLLOW, user_id, author_id, user_id, "", now_ms),
        )
        self._catalog.follows.change(user_id, author_id, following, *events)
        self._context.outbox.publish(*events)

    def _find(self, user_id: str) -> User:
        self._context.require_home(ids.USER, user_id)
        user = self._catalog.users.get(user_id)
        if user is None or user.deleted_at_ms is not None:
            raise NotFound(f"there is no user {user_id}")
        return user

    def _require_may_follow(self, user_id: str, author_id: str) -> None:
        """A follow is stored at the author's home, too. Raises ResidencyDenied, NotFound, Unavailable."""
        home = self._context.home_of(ids.USER, author_id)
        if home.name != self._context.region.name:
            follower = self._find(user_id)
            self._guard.require_say(user_id, follower.residency_class, follower.home_region, home.name)

    def _require_author(self, author_id: str) -> None:
        """Raises NotFound if the author does not exist. If their home does not respond, assumes that they exist."""
        home = self._context.home_of(ids.USER, author_id)
        if home.name == self._context.region.name:
            self._find(author_id)
            return
        wanted = RegionRequest(home.name, home.origin, "GET", f"/v1/users/{author_id}")
        try:
            reply = self._context.others.start(wanted, _AUTHOR_S).result(_AUTHOR_S)
        except (Unavailable, BadGateway, TimeoutError):
            return
        if reply.status == 404:
            raise NotFound(f"there is no user {author_id}")
