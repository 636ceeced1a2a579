"""Takes a deleted photo's objects away. Whoever calls it has seen, or told, the tombstone first."""

from regions.events.messages import Event
from regions.stores.objects import RAW, VARIANTS, Objects, raw_key, variant_prefix


def erase(objects: Objects, photo_id: str) -> None:
    """Idempotent. Variants are found by looking, so that those of sizes no longer made go as well."""
    for variant in list(objects.list(VARIANTS, variant_prefix(photo_id))):
        objects.delete(VARIANTS, variant.key)
    objects.delete(RAW, raw_key(photo_id))


class Erasure:
    """The home's own part of a deletion."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def deleted(self, event: Event) -> None:
        erase(self._objects, event.key)
