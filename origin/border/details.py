"""What one region's origin tells another of photos in a feed: what a feed shows, and which photos are gone.

Pure. Camera, hashes, sizes and times of taking stay at home, whatever the policy says of the rest.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from regions import ids
from regions.errors import BadGateway, NotFound
from regions.records import MAX_CAPTION_CHARS, Photo, Status

_MAX_CLASS = 80
_MAX_SIDE = 1 << 20
_MAX_AT_MS = 253_402_300_799_999  # the end of the year 9999, the last that a time can be written in


@dataclass(frozen=True, slots=True)
class Details:
    """`gone` are ids that were asked for and name no photo any more: deleted, or never there."""

    photos: list[Photo]
    gone: list[str]


def outgoing(photo: Photo) -> dict[str, Any]:
    """A `ready` photo as a feed shows it, with the class by which the requester decides where it may."""
    return {
        "photo_id": photo.photo_id,
        "owner_id": photo.owner_id,
        "residency_class": photo.residency_class,
        "caption": photo.caption,
        "created_at_ms": photo.created_at_ms,
        "width": photo.width,
        "height": photo.height,
    }


def incoming(text: bytes, requested: Collection[str], home_region: str) -> Details:
    """Reads what a home answered; what was not asked for is left out. Raises BadGateway for anything but details.

    Of the photos, only what `outgoing` tells is filled in.
    """
    try:
        answer = json.loads(text)
        items, gone = answer["items"], answer["gone"]
        if not isinstance(items, list) or not isinstance(gone, list):
            raise TypeError("these must be lists")
        photos = [_photo(item, home_region) for item in items if item["photo_id"] in requested]
        return Details(photos, [photo_id for photo_id in gone if photo_id in requested])
    except (ValueError, KeyError, TypeError, RecursionError, NotFound) as error:
        raise BadGateway("the home gave no details of photos") from error


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
        created_at_ms=_whole(item["created_at_ms"], _MAX_AT_MS),
        width=_side(item["width"]),
        height=_side(item["height"]),
    )


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise TypeError(f"expected a text of at most {most} characters")
    return value


def _whole(value: Any, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise TypeError(f"expected a whole number up to {most}")
    return value


def _side(value: Any) -> int | None:
    return None if value is None else _whole(value, _MAX_SIDE)
