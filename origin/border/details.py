"""The JSON document with which a region's origin gives another what a feed shows of photos, and which photos are gone.

`_READERS` lists the fields of a photo that it has, besides the id. The camera, the hashes, the sizes, the time and
the place of taking never leave the home region this way, even if the policy allows the rest.

The other region's program may be older or newer than this one. So unknown fields are ignored, and a missing one gets
the default of `PhotoSummary`, if it has one there. Pure.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from regions import ids
from regions.errors import BadGateway, NotFound
from regions.records import MAX_CAPTION_CHARS, MAX_PLACEHOLDER_CHARS, PhotoSummary, Status
from regions.variant_names import MAX_RECIPE

_MAX_CLASS = 80
_MAX_VISIBILITY = 40
_MAX_SIDE = 1 << 20
_MAX_AT_MS = 253_402_300_799_999  # the end of the year 9999, the last one of RFC 3339


@dataclass(frozen=True, slots=True)
class Details:
    """`gone` are requested ids for which there is no photo: it was deleted, or never existed."""

    photos: list[PhotoSummary]
    gone: list[str]


def outgoing(photo: PhotoSummary) -> dict[str, Any]:
    """What a feed shows of a public photo, with its residency class, so that the requester can decide on it too."""
    return {"photo_id": photo.photo_id} | {name: getattr(photo, name) for name in _READERS}


def incoming(text: bytes, requested: Collection[str], home_region: str) -> Details:
    """Reads the response of a photo's home region. Raises BadGateway for anything but valid details.

    Photos that were not requested are left out.
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


def _photo(item: Mapping[str, Any], home_region: str) -> PhotoSummary:
    values = {name: read(item[name]) for name, read in _READERS.items() if name in item}
    return PhotoSummary(photo_id=item["photo_id"], home_region=home_region, status=Status.READY, **values)


def _owner_id(value: Any) -> str:
    owner_id = _text(value, 20)
    ids.parse(ids.USER, owner_id)
    return owner_id


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


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "owner_id": _owner_id,
    "residency_class": partial(_text, most=_MAX_CLASS),
    "caption": partial(_text, most=MAX_CAPTION_CHARS),
    "created_at_ms": partial(_integer, most=_MAX_AT_MS),
    "width": _side,
    "height": _side,
    "recipe": partial(_integer, least=1, most=MAX_RECIPE),
    "visibility": partial(_text, most=_MAX_VISIBILITY),
    "placeholder": lambda value: None if value is None else _text(value, MAX_PLACEHOLDER_CHARS),
}
"""What is sent of a photo, by the names of `PhotoSummary`; and what takes each value only within its bounds."""
