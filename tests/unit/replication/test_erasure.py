"""Erasure at the photo's home."""

from hashlib import sha256

from regions.stores.objects import VARIANTS, variant_prefix
from replication import erasure


def test_nothing_of_a_deleted_photo_stays_at_home(regions):
    """Neither raw nor variants, nor variants of a size that is no longer made; a second time is not an error."""
    photo, _ = regions.add_photo("eu-west")
    objects = regions.stores["eu-west"].objects
    objects.put(VARIANTS, f"{variant_prefix(photo.photo_id)}99.webp", [b"x"], sha256(b"x").hexdigest(), "image/webp")
    event = regions.delete(photo)
    erasure.handle_deleted(objects, event)
    erasure.handle_deleted(objects, event)
    assert regions.files_of(photo) == {}


def test_other_photos_stay(regions):
    """Even those of the same owner."""
    photo, _ = regions.add_photo("eu-west")
    other, _ = regions.add_photo("eu-west", photo.owner_id)
    erasure.handle_deleted(regions.stores["eu-west"].objects, regions.delete(photo))
    assert regions.files_of(other) == {"eu-west": regions.everything}
