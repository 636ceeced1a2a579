"""The home region's own part of a deletion."""

from regions.events.messages import Event
from regions.stores import photo_objects
from regions.stores.objects import Objects


def handle_deleted(objects: Objects, event: Event) -> None:
    """Erases the objects of the deleted photo. Idempotent."""
    photo_objects.delete_all(objects, event.key)
