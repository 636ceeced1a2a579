"""What other servers ask: grants for the shield, tombstones for the edges, details for another region's feeds."""

from typing import Any

import falcon

from origin import fields
from origin.border import details
from origin.context import Context
from origin.residency_guard import ResidencyGuard
from regions import ids
from regions.errors import BadRequest, Forbidden, NotFound
from regions.records import Photo, Status, Variant
from regions.residency.audit import AuditTrail
from regions.residency.policy import Action
from regions.stores.objects import VARIANTS, variant_key
from regions.topology import Place

MAX_DETAILS = 100
_URL_TTL_MS = 60_000
_MAX_PLACES = 4
_MAX_TOMBSTONES = 1000


class BorderResource:
    def __init__(self, context: Context, guard: ResidencyGuard, audit: AuditTrail) -> None:
        self._context, self._guard, self._audit = context, guard, audit
        self._catalog = context.stores.catalog

    def on_get(self, request: falcon.Request, response: falcon.Response, photo_id: str, size: int) -> None:
        self._require_edge(request)
        photo, variant = self._find(photo_id, size)
        places = self._places(request.get_param_as_list("place") or [])
        expires_at_ms = self._context.clock_ms() + _URL_TTL_MS
        response.media = {
            "url": self._context.stores.objects.sign_get(VARIANTS, variant_key(photo_id, size), expires_at_ms),
            "sha256": variant.sha256,
            "size_bytes": variant.size_bytes,
            "residency_class": photo.residency_class,
            "home_region": photo.home_region,
            "places": {place.name: self._grant(photo, place) for place in places},
        }

    def on_get_tombstones(self, request: falcon.Request, response: falcon.Response) -> None:
        self._require_edge(request)
        after = request.get_param_as_int("after", default=0, min_value=0)
        stones = self._catalog.tombstones.after(after, _MAX_TOMBSTONES)
        response.media = {
            "items": [{"photo_id": stone.tombstone.photo_id, "position": stone.position} for stone in stones],
            "last": stones[-1].position if stones else after,
        }

    def on_post_details(self, request: falcon.Request, response: falcon.Response) -> None:
        region = self._context.topology.regions.get(self._context.node(request))
        if region is None:
            raise Forbidden("details are for regions")
        photo_ids = fields.texts(fields.body(request), "ids", MAX_DETAILS, 20)
        there = self._catalog.photos.get_many(photo_ids)
        ready = [photo for photo in there.values() if photo.status is Status.READY]
        response.media = {
            "items": [details.outgoing(photo) for photo in self._guard.visible(ready, region.place)],
            "gone": [photo_id for photo_id in photo_ids if photo_id not in there and self._is_ours(photo_id)],
        }

    def _is_ours(self, photo_id: str) -> bool:
        """Whether this catalog's silence on the photo means that there is none: only its home can say so."""
        try:
            return self._context.home_of(ids.PHOTO, photo_id).name == self._context.region.name
        except NotFound:
            return False

    def _require_edge(self, request: falcon.Request) -> None:
        if self._context.node(request) not in self._context.topology.edges:
            raise Forbidden("this is for edges")

    def _find(self, photo_id: str, size: int) -> tuple[Photo, Variant]:
        self._context.require_home(ids.PHOTO, photo_id)
        photo = self._catalog.photos.get(photo_id)
        if photo is not None and photo.status is Status.READY:
            for variant in photo.variants:
                if variant.size == size:
                    return photo, variant
        raise NotFound(f"there is no image of {photo_id} in size {size}")

    def _places(self, names: list[str]) -> list[Place]:
        places = [place for name in names[:_MAX_PLACES] if (place := self._context.topology.place(name))]
        if len(places) != len(names) or not places:
            raise BadRequest(f"name one to {_MAX_PLACES} places that the topology knows")
        return places

    def _grant(self, photo: Photo, place: Place) -> dict[str, Any]:
        decisions = self._audit.decide(self._context.policy.current(), [photo], [Action.SERVE, Action.CACHE], place)
        serve, cache = decisions[photo.photo_id, Action.SERVE], decisions[photo.photo_id, Action.CACHE]
        return {
            "serve": serve.allowed,
            "cache": cache.allowed,
            "rule": cache.rule if serve.allowed else serve.rule,
        }
