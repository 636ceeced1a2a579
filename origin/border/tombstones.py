"""Tombstones: edges poll them to learn which photos were deleted, and drop those from their caches."""

import falcon

from origin import fields
from origin.context import Context

_MAX_TOMBSTONES = 1000
_LAST_POSITION = (1 << 63) - 1


class TombstonesResource:
    """The tombstones after a position, oldest first. The next request continues after `last`."""

    def __init__(self, context: Context) -> None:
        self._context, self._catalog = context, context.stores.catalog

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        self._context.require_edge(request)
        after = fields.number(request, "after", 0, 0, _LAST_POSITION)
        page = self._catalog.tombstones.after(after, _MAX_TOMBSTONES)
        response.media = {
            "items": [{"photo_id": item.tombstone.photo_id, "position": item.position} for item in page],
            "last": page[-1].position if page else after,
        }
