"""A user's feed. The feeds store has its photo ids; the details of each photo come from a region that may store them.

A feed may still list photos that were deleted, or whose owner is no longer followed. They are filtered out when the
feed is read.
"""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import dataclass

import falcon

from origin import fields, views
from origin.border import details
from origin.context import Context
from origin.residency_guard import ResidencyGuard
from regions import ids
from regions.errors import BadGateway, Unavailable
from regions.events import messages
from regions.records import PhotoSummary
from regions.region_client import RegionRequest

log = logging.getLogger(__name__)

# Of all homes together. The feed itself promises 2 s, and has the other second for its own stores.
_DETAILS_S = 1.0
_FOLLOWS_AT_ONCE = 100
_MAX_RESPONSE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class _Found:
    """The photos by id, the ids of deleted photos, and the ids of those whose home did not respond in time."""

    photos: dict[str, PhotoSummary]
    gone: list[str]
    unavailable: list[str]


class FeedResource:
    def __init__(self, context: Context, guard: ResidencyGuard) -> None:
        self._context, self._guard = context, guard

    def on_get(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        self._context.require_user(request, user_id)
        before, limit = fields.page(request, ids.PHOTO)
        photo_ids = self._page(user_id, before, limit)
        found, requester = self._details(photo_ids), self._context.nodes.requester(request)
        self._forget(user_id, found.gone)
        wanted = self._wanted(user_id, [found.photos[photo_id] for photo_id in photo_ids if photo_id in found.photos])
        edge_url = self._context.edge_url(requester)
        items = [views.listed_photo(photo, edge_url) for photo in self._guard.visible(wanted, requester)]
        response.media = views.listing(items, limit, photo_ids) | {"unavailable": found.unavailable}

    def _page(self, user_id: str, before: str | None, limit: int) -> list[str]:
        feeds = self._context.stores.feeds
        photo_ids = feeds.page(user_id, before, limit)
        if photo_ids is None:
            self._refill(user_id)
            photo_ids = feeds.page(user_id, before, limit)
        return photo_ids or []

    def _refill(self, user_id: str) -> None:
        """Fills a feed that is new or was lost: publishes every follow again, and fan-out and lanes bring the photos.

        If the process dies before the end, the feed is not marked as complete, and the next request does it again.
        """
        stores, now_ms, before = self._context.stores, self._context.clock_ms(), None
        while author_ids := stores.catalog.follows.authors(user_id, before, _FOLLOWS_AT_ONCE):
            stores.events.publish([messages.follow_changed(user_id, author, True, now_ms) for author in author_ids])
            before = author_ids[-1]
        stores.feeds.mark_complete(user_id)

    def _wanted(self, user_id: str, photos: Sequence[PhotoSummary]) -> list[PhotoSummary]:
        """Those that are public and whose owner is still followed."""
        owners = self._context.stores.catalog.follows.followed_among(user_id, {photo.owner_id for photo in photos})
        return [photo for photo in photos if photo.owner_id in owners and photo.is_public]

    def _details(self, photo_ids: Sequence[str]) -> _Found:
        """Details from our catalog, and of all other photos from their homes, in parallel requests.

        A photo of this region that is not in the catalog is gone. If a home doesn't respond, its photos are listed as
        unavailable, and the rest of the feed is shown.
        """
        photos = self._context.stores.catalog.photos.summaries(photo_ids)
        elsewhere: dict[str, list[str]] = {}
        for photo_id in photo_ids:
            if photo_id not in photos:
                elsewhere.setdefault(self._context.home_of(ids.PHOTO, photo_id).name, []).append(photo_id)
        found = _Found(photos, gone=elsewhere.pop(self._context.region.name, []), unavailable=[])
        requested = {
            name: self._context.others.start(self._request(name, wanted), _DETAILS_S)
            for name, wanted in elsewhere.items()
        }
        wait(requested.values(), _DETAILS_S)
        for name, reply in requested.items():
            try:
                received = details.incoming(reply.result(0).body, elsewhere[name], name)
            except (Unavailable, TimeoutError, BadGateway) as error:
                log.warning("a home region sent no details", extra={"home": name, "error": str(error)})
                found.unavailable.extend(elsewhere[name])
            else:
                found.photos.update({photo.photo_id: photo for photo in received.photos})
                found.gone.extend(received.gone)
        return found

    def _forget(self, user_id: str, gone: Sequence[str]) -> None:
        """Removes deleted photos from the feed. If that fails, the next request tries again."""
        try:
            if gone:
                self._context.stores.feeds.remove(gone, user_id)
        except Unavailable as error:
            log.warning("deleted photos not removed from a feed", extra={"user": user_id, "error": error.detail})

    def _request(self, home: str, photo_ids: Sequence[str]) -> RegionRequest:
        """For details that may not be stored here. They are used for one response and then dropped."""
        body, origin = json.dumps({"ids": list(photo_ids)}).encode(), self._context.topology.regions[home].origin
        return RegionRequest(home, origin, "POST", "/border/v1/details", body, _MAX_RESPONSE_BYTES)
