"""Details: another region's origin requests what its feeds show of our photos, if it may not store that itself."""

import falcon

from origin import fields
from origin.border import details
from origin.context import Context
from origin.residency_guard import ResidencyGuard
from regions import ids
from regions.errors import NotFound
from regions.residency.statement import Kind

MAX_DETAILS = 100


class DetailsResource:
    """The details that are visible in the requesting region, and the requested ids of photos that don't exist."""

    def __init__(self, context: Context, guard: ResidencyGuard) -> None:
        self._context, self._guard = context, guard
        self._catalog = context.stores.catalog

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        region = self._context.nodes.require(request, Kind.REGION)
        photo_ids = fields.texts(fields.body(request), "ids", MAX_DETAILS, 20)
        with self._context.slots.of(region):
            found = self._catalog.photos.summaries(photo_ids)
            public = [photo for photo in found.values() if photo.is_public]
            response.media = {
                "items": [details.outgoing(photo) for photo in self._guard.visible(public, region)],
                "gone": [photo_id for photo_id in photo_ids if photo_id not in found and self._is_ours(photo_id)],
            }

    def _is_ours(self, photo_id: str) -> bool:
        """Only the catalog of a photo's home region knows for certain that the photo does not exist."""
        try:
            return self._context.home_of(ids.PHOTO, photo_id).name == self._context.region.name
        except NotFound:
            return False
