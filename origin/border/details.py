"""The JSON document with which a region's origin gives another what a feed shows of photos, and which photos are gone.

`_FIELDS` lists what it has of a photo, besides the id. The camera, the hashes, the sizes, the time and the place of
taking never leave the home region this way, even if the policy allows the rest.

The other region's program may be older or newer than this one. So unknown fields are ignored, and a missing one gets
the default of `PhotoSummary`, if it has one there. Pure.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from regions import ids
from regions.border import bounds
from regions.border.photo_record import READERS
from regions.errors import BadGateway
from regions.records import PhotoSummary, Status

_FIELDS = (
    "owner_id",
    "residency_class",
    "caption",
    "created_at_ms",
    "width",
    "height",
    "recipe",
    "visibility",
    "placeholder",
)


@dataclass(frozen=True, slots=True)
class Details:
    """`gone` are requested ids for which there is no photo: it was deleted, or never existed."""

    photos: list[PhotoSummary]
    gone: list[str]


def outgoing(photo: PhotoSummary) -> dict[str, Any]:
    """What a feed shows of a public photo, with its residency class, so that the requester can decide on it too."""
    return {"photo_id": photo.photo_id} | {name: getattr(photo, name) for name in _FIELDS}


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
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadGateway("the home region sent no valid details") from error


def _photo(item: Mapping[str, Any], home_region: str) -> PhotoSummary:
    values = {name: READERS[name](item[name]) for name in _FIELDS if name in item}
    bounds.created_at_ms(values["created_at_ms"], item["photo_id"])
    photo_region = ids.parse(ids.PHOTO, item["photo_id"]).region
    if ids.parse(ids.USER, values["owner_id"]).region != photo_region:
        raise ValueError("the photo of somebody of another region")
    return PhotoSummary(photo_id=item["photo_id"], home_region=home_region, status=Status.READY, **values)
