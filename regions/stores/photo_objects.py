"""Deletes the objects of one photo."""

from regions.stores.objects import RAW, VARIANTS, Objects, raw_key, variant_prefix


def delete_all(objects: Objects, photo_id: str) -> None:
    """Idempotent. Call it only when the tombstone is written (ADR 2: tombstone first).

    First ends the uploads of the raw: one that another process is just completing would bring it back.
    """
    for multipart_id in objects.list_uploads(RAW, raw_key(photo_id)):
        objects.abort_upload(multipart_id)
    delete_variants(objects, photo_id)
    objects.delete(RAW, raw_key(photo_id))


def delete_variants(objects: Objects, photo_id: str) -> None:
    """Idempotent. Lists the variants instead of computing their keys, to find those of other recipes, too."""
    for variant in list(objects.list(VARIANTS, variant_prefix(photo_id))):
        objects.delete(VARIANTS, variant.key)
