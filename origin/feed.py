"""A user's feed: ids from the feeds store, details from where they may rest, and what no longer belongs left out."""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import falcon
import urllib3

from origin import fields, views
from origin.context import NODE_HEADER, Context
from regions import ids, messages, tokens
from regions.errors import BadGateway
from regions.records import Photo, Status, photo_from_json
from regions.topology import Region

log = logging.getLogger(__name__)

_DEADLINE_S = 2.0
_FOLLOWS_AT_ONCE = 100
_MAX_ANSWER_BYTES = 4 * 1024 * 1024


class Feed:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="details")

    def on_get(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        self._context.require_user(request, user_id)
        before, limit = fields.page(request)
        photo_ids = self._page(user_id, before, limit)
        photos, unavailable = self._details(photo_ids)
        shown = self._shown(user_id, [photos[photo_id] for photo_id in photo_ids if photo_id in photos])
        edge_url = self._context.edge(request).url
        items = [views.photo(photo, edge_url) for photo in shown]
        response.media = fields.listing(items, limit, photo_ids) | {"unavailable": unavailable}

    def _page(self, user_id: str, before: str | None, limit: int) -> list[str]:
        feeds = self._context.stores.feeds
        photo_ids = feeds.page(user_id, before, limit)
        if photo_ids is None:
            self._refill(user_id)
            photo_ids = feeds.page(user_id, before, limit)
        return photo_ids or []

    def _refill(self, user_id: str) -> None:
        """A feed that is new, or was lost: fan-out and lanes hear of every follow again, and bring what belongs there.

        Killed before the end, it is done again at the next look.
        """
        stores, now_ms, before = self._context.stores, self._context.clock_ms(), None
        while author_ids := stores.catalog.following(user_id, before, _FOLLOWS_AT_ONCE):
            stores.events.publish([messages.follow_changed(user_id, author, True, now_ms) for author in author_ids])
            before = author_ids[-1]
        stores.feeds.begin(user_id)

    def _shown(self, user_id: str, photos: Sequence[Photo]) -> list[Photo]:
        """Those that are ready and whose owner is still followed."""
        owners = self._context.stores.catalog.is_following(user_id, {photo.owner_id for photo in photos})
        return [photo for photo in photos if photo.owner_id in owners and photo.status is Status.READY]

    def _details(self, photo_ids: Sequence[str]) -> tuple[dict[str, Photo], list[str]]:
        """The photos by id, and the ids of those whose home did not answer before the deadline."""
        photos = self._context.stores.catalog.photos(photo_ids)
        away: dict[str, list[str]] = {}
        for photo_id in photo_ids:
            home = self._context.home_of(ids.PHOTO, photo_id)
            if photo_id not in photos and home.name != self._context.region.name:
                away.setdefault(home.name, []).append(photo_id)
        asked = {
            name: self._threads.submit(self._ask, self._context.topology.regions[name], wanted)
            for name, wanted in away.items()
        }
        unavailable: list[str] = []
        for name, answer in asked.items():
            try:
                photos |= {photo.photo_id: photo for photo in answer.result(_DEADLINE_S + 1)}
            except (urllib3.exceptions.HTTPError, TimeoutError, BadGateway) as error:
                log.warning("a home gave no details", extra={"home": name, "error": str(error)})
                unavailable += away[name]
        return photos, unavailable

    def _ask(self, home: Region, photo_ids: Sequence[str]) -> list[Photo]:
        """Details that may not rest here, from their home. Forgotten when the feed has been shown."""
        now_s = self._context.clock_ms() // 1000
        node = tokens.issue_node(self._context.region.name, self._context.private_key, now_s)
        answer = self._context.http.request(
            "POST",
            f"{home.origin}/v1/details",
            body=json.dumps({"ids": list(photo_ids)}),
            headers={NODE_HEADER: node, "Content-Type": "application/json"},
            timeout=_DEADLINE_S,
            retries=False,
            preload_content=False,
        )
        try:
            photos = _read_photos(answer.read(_MAX_ANSWER_BYTES))
        finally:
            # An answer that was read to its end has given its connection back already.
            answer.close()
        return [photo for photo in photos if photo.photo_id in photo_ids]


def _read_photos(text: bytes) -> list[Photo]:
    try:
        return [photo_from_json(item) for item in json.loads(text)["items"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadGateway("the home gave no list of photos") from error
