"""Tombstones: edges poll them to learn which photos were deleted, and drop those from their caches."""

import falcon

from origin.context import Context

_MAX_TOMBSTONES = 1000


class TombstonesResource:
    """The tombstones after a position, oldest first. The next request continues after `last`."""

    def __init__(self, context: Context) -> None:
        self._context, self._catalog = context, context.stores.catalog

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        self._context.require_edge(request)
        after = request.get_param_as_int("after", default=0, min_value=0)
        page = self._catalog.tombstones.after(after, _MAX_TOMBSTONES)
        response.media = {
            "items": [{"photo_id": item.tombstone.photo_id, "position": item.position} for item in page],
            "last": page[-1].position if page else after,
        }
