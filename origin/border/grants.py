"""Grants: before a shield fetches a variant, it asks for a grant, which says what it is and where its bytes are.

A grant states facts (class, home, hash, size), and each part decides from them by the statement that it has: this
origin for the places that ask, then the shield and the edge for each request, without asking again.
"""

import falcon

from origin.context import Context
from regions import ids
from regions.errors import Forbidden, NotFound, ResidencyDenied, Unavailable
from regions.records import Photo, Variant
from regions.residency.audit import AuditTrail
from regions.residency.policy import Action
from regions.residency.statement import Kind
from regions.stores.objects import VARIANTS, variant_key

_URL_TTL_MS = 60_000


class GrantsResource:
    """For this region's shield, and for the edge whose token it shows. Where `serve` is no, there is no URL."""

    def __init__(self, context: Context, audit: AuditTrail) -> None:
        self._context, self._audit = context, audit
        self._catalog = context.stores.catalog

    def on_get(self, request: falcon.Request, response: falcon.Response, photo_id: str, name: str) -> None:
        places = self._places(request)
        photo, variant = self._find(photo_id, name)
        for place in places:
            self._require_serve(photo, place)
        expires_at_ms = self._context.clock_ms() + _URL_TTL_MS
        response.media = {
            "url": self._context.stores.objects.sign_get(VARIANTS, variant_key(photo_id, variant.name), expires_at_ms),
            "sha256": variant.sha256,
            "size_bytes": variant.size_bytes,
            "residency_class": photo.residency_class,
            "home_region": photo.home_region,
        }

    def _places(self, request: falcon.Request) -> list[str]:
        """The shield, and the edge that asks through it. Raises Unauthenticated, Forbidden."""
        shield = self._context.nodes.require(request, Kind.EDGE)
        if self._context.shield_name() != shield:
            raise Forbidden(f"only the shield of {self._context.region.name} asks for grants here")
        edge = self._context.nodes.presented_for(request, shield)
        return [shield] if edge is None else [shield, edge]

    def _find(self, photo_id: str, name: str) -> tuple[Photo, Variant]:
        self._context.require_home(ids.PHOTO, photo_id)
        photo = self._catalog.photos.get(photo_id)
        if photo is not None and photo.is_public:
            for variant in photo.variants:
                if variant.name == name:
                    return photo, variant
        raise NotFound(f"there is no image {name[:40]} of {photo_id}")

    def _require_serve(self, photo: Photo, place: str) -> None:
        """Raises ResidencyDenied, Unavailable."""
        rules = self._context.rules.current()
        decisions = self._audit.decide(rules, [photo], [Action.SERVE, Action.CACHE], place)
        serve = decisions[photo.photo_id, Action.SERVE]
        if serve.passing:
            raise Unavailable(serve.because)
        if not serve.allowed:
            raise ResidencyDenied(serve.because, serve.rule)
