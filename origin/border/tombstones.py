"""Tombstones: edges poll them to learn which photos were deleted, and drop those from their caches.

The same response says which statement the region holds: with it an edge renews its lease for this region's data.
"""

import falcon

from origin import fields
from origin.context import Context
from regions import tombstone_cursors
from regions.residency import reports
from regions.residency.statement import Kind


class TombstonesResource:
    """The tombstones after the requester's cursors, the cursors for its next request, and whether these are all.

    A POST, although it changes nothing: the cursors of all chains may be too long for a URL.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._catalog = context, context.stores.catalog

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        self._context.nodes.require(request, Kind.EDGE)
        cursors = tombstone_cursors.parse(fields.body(request).get("after"))
        page = self._catalog.tombstones.after(cursors, tombstone_cursors.MAX_ITEMS)
        # A chain's entries are in order, so that its last one counts.
        after = cursors | {entry.chain: entry.position for entry in page.entries}
        response.media = {
            "items": [{"photo_id": entry.tombstone.photo_id} for entry in page.entries],
            "complete": page.complete,
            "after": tombstone_cursors.to_document(after),
            "statement": reports.to_document(self._context.rules.report()),
        }
