"""Grants: before a shield fetches a variant, it requests a grant, which says where it may be served and cached."""

from typing import Any

import falcon

from origin.context import Context
from regions import ids
from regions.errors import BadRequest, NotFound
from regions.records import Photo, Variant
from regions.residency.audit import AuditTrail
from regions.residency.policy import Action
from regions.stores.objects import VARIANTS, variant_key
from regions.topology import Place

_URL_TTL_MS = 60_000
_MAX_PLACES = 4


class GrantsResource:
    """A signed URL for one variant, valid for a minute, and the residency decision for each place in the query."""

    def __init__(self, context: Context, audit: AuditTrail) -> None:
        self._context, self._audit = context, audit
        self._catalog = context.stores.catalog

    def on_get(self, request: falcon.Request, response: falcon.Response, photo_id: str, name: str) -> None:
        self._context.require_edge(request)
        photo, variant = self._find(photo_id, name)
        places = self._places(request.get_param_as_list("place") or [])
        expires_at_ms = self._context.clock_ms() + _URL_TTL_MS
        response.media = {
            "url": self._context.stores.objects.sign_get(VARIANTS, variant_key(photo_id, variant.name), expires_at_ms),
            "sha256": variant.sha256,
            "size_bytes": variant.size_bytes,
            "residency_class": photo.residency_class,
            "home_region": photo.home_region,
            "places": {place.name: self._grant(photo, place) for place in places},
        }

    def _find(self, photo_id: str, name: str) -> tuple[Photo, Variant]:
        self._context.require_home(ids.PHOTO, photo_id)
        photo = self._catalog.photos.get(photo_id)
        if photo is not None and photo.is_public:
            for variant in photo.variants:
                if variant.name == name:
                    return photo, variant
        raise NotFound(f"there is no image {name[:40]} of {photo_id}")

    def _places(self, names: list[str]) -> list[Place]:
        places = [place for name in names[:_MAX_PLACES] if (place := self._context.topology.place(name))]
        if len(places) != len(names) or not places:
            raise BadRequest(f"name one to {_MAX_PLACES} places that the topology knows")
        return places

    def _grant(self, photo: Photo, place: Place) -> dict[str, Any]:
        decisions = self._audit.decide(
            self._context.policy.current().policy, [photo], [Action.SERVE, Action.CACHE], place
        )
        serve, cache = decisions[photo.photo_id, Action.SERVE], decisions[photo.photo_id, Action.CACHE]
        return {
            "serve": serve.allowed,
            "cache": cache.allowed,
            "rule": cache.rule if serve.allowed else serve.rule,
        }
