"""Erases the objects of a deleted photo. Call it only when the tombstone is written (ADR 2: tombstone first)."""

from regions.events.messages import Event
from regions.stores.objects import RAW, VARIANTS, Objects, raw_key, variant_prefix


def erase(objects: Objects, photo_id: str) -> None:
    """Idempotent. Lists the variants instead of computing their keys, to find those of sizes no longer in use, too."""
    for variant in list(objects.list(VARIANTS, variant_prefix(photo_id))):
        objects.delete(VARIANTS, variant.key)
    objects.delete(RAW, raw_key(photo_id))


class Erasure:
    """The home region's own part of a deletion."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def handle_deleted(self, event: Event) -> None:
        erase(self._objects, event.key)
