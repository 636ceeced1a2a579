"""Deletes a photo in its home region: the tombstone, which wins over everything, and the event that takes it round."""

from collections.abc import Callable

from regions.events import messages
from regions.events.outbox import OutboxPublisher
from regions.records import Photo, Tombstone
from regions.stores.catalog import Catalog
from regions.stores.objects import Objects


class PhotoDeletion:
    def __init__(
        self, catalog: Catalog, objects: Objects, outbox: OutboxPublisher, clock_ms: Callable[[], int]
    ) -> None:
        self._catalog, self._objects, self._outbox, self._clock_ms = catalog, objects, outbox, clock_ms

    def delete(self, photo: Photo) -> None:
        """Writes the tombstone, the event, and then ends the upload, if there is one. Raises Unavailable.

        The catalog rejects every write about a photo that has a tombstone. So an upload, a job or a replica that is
        under way at this moment can't bring the photo back.
        """
        upload, at_ms = self._catalog.uploads.get(photo.photo_id), self._clock_ms()
        event = messages.photo_deleted(photo, at_ms)
        if self._catalog.photos.delete(Tombstone(photo.photo_id, photo.owner_id, at_ms), event):
            self._outbox.publish(event)
        if upload is not None:
            self._objects.abort_upload(upload.multipart_id)
