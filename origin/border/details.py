"""The JSON document with which a region's origin gives another what a feed shows of photos, and which photos are gone.

The camera, the hashes, the sizes and the time of taking never leave the home region this way, even if the policy allows
the rest. Pure.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from regions import ids
from regions.errors import BadGateway, NotFound
from regions.records import MAX_CAPTION_CHARS, Photo, Status
from regions.variant_names import MAX_RECIPE

_MAX_CLASS = 80
_MAX_SIDE = 1 << 20
_MAX_AT_MS = 253_402_300_799_999  # the end of the year 9999, the last one of RFC 3339


@dataclass(frozen=True, slots=True)
class Details:
    """`gone` are requested ids for which there is no photo: it was deleted, or never existed."""

    photos: list[Photo]
    gone: list[str]


def outgoing(photo: Photo) -> dict[str, Any]:
    """What a feed shows of a `ready` photo, with its residency class, so that the requester can decide on it too."""
    return {
        "photo_id": photo.photo_id,
        "owner_id": photo.owner_id,
        "residency_class": photo.residency_class,
        "caption": photo.caption,
        "created_at_ms": photo.created_at_ms,
        "width": photo.width,
        "height": photo.height,
        "recipe": photo.recipe,
    }


def incoming(text: bytes, requested: Collection[str], home_region: str) -> Details:
    """Reads the response of a photo's home region. Raises BadGateway for anything but valid details.

    Photos that were not requested are left out. Only what `outgoing` sends is filled in.
    """
    try:
        document = json.loads(text)
        items, gone = document["items"], document["gone"]
        if not isinstance(items, list) or not isinstance(gone, list):
            raise TypeError("items and gone must be lists")
        photos = [_photo(item, home_region) for item in items if item["photo_id"] in requested]
        return Details(photos, [photo_id for photo_id in gone if photo_id in requested])
    except (ValueError, KeyError, TypeError, RecursionError, NotFound) as error:
        raise BadGateway("the home region sent no valid details") from error


def _photo(item: dict[str, Any], home_region: str) -> Photo:
    owner_id = _text(item["owner_id"], 20)
    ids.parse(ids.USER, owner_id)
    return Photo(
        photo_id=item["photo_id"],
        owner_id=owner_id,
        residency_class=_text(item["residency_class"], _MAX_CLASS),
        home_region=home_region,
        status=Status.READY,
        caption=_text(item["caption"], MAX_CAPTION_CHARS),
        size_bytes=0,
        sha256=None,
        created_at_ms=_integer(item["created_at_ms"], _MAX_AT_MS),
        width=_side(item["width"]),
        height=_side(item["height"]),
        # A home of an older version does not send it.
        recipe=_integer(item.get("recipe", 1), MAX_RECIPE, least=1),
    )


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise TypeError(f"expected a string of at most {most} characters")
    return value


def _integer(value: Any, most: int, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise TypeError(f"expected a whole number from {least} to {most}")
    return value


def _side(value: Any) -> int | None:
    return None if value is None else _integer(value, _MAX_SIDE)
