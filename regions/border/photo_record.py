"""What crosses a border of a photo's record, and how it is read there.

Where the photo was taken, what it is a near-duplicate of, and how its processing went never leave the home region, even
if the policy allows the rest.

The other region's program may be older or newer than this one. So unknown fields are ignored, and a missing one gets
the default of the record, if it has one there. Pure.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from regions import ids
from regions.border import bounds
from regions.image_limits import MAX_RAW_BYTES
from regions.records import MAX_CAPTION_CHARS, MAX_PLACEHOLDER_CHARS, Photo, Status, Variant
from regions.variant_names import MAX_RECIPE

MAX_CLASS_CHARS = 80
MAX_VARIANTS = 100
_MAX_VISIBILITY = 40
_MAX_WORD, _MAX_TIME, _MAX_HASH = 300, 40, 200
_MAX_SIDE = 1 << 20


def outgoing(photo: Photo) -> dict[str, Any]:
    """Of a photo that is ready."""
    plain = {name: getattr(photo, name) for name in READERS if name != "variants"}
    return plain | {"variants": [{name: getattr(one, name) for name in _VARIANT} for one in photo.variants]}


def incoming(document: Mapping[str, Any], photo_id: str, home_region: str) -> Photo:
    """Raises TypeError, ValueError, KeyError."""
    values = {name: read(document[name]) for name, read in READERS.items() if name in document}
    bounds.created_at_ms(values["created_at_ms"], photo_id)
    return Photo(photo_id=photo_id, home_region=home_region, status=Status.READY, **values)


def _variants(value: Any) -> tuple[Variant, ...]:
    return tuple(map(_variant, bounds.objects(value, MAX_VARIANTS)))


def _variant(item: Mapping[str, Any]) -> Variant:
    return Variant(**{name: read(item[name]) for name, read in _VARIANT.items() if name in item})


def _format(value: Any) -> str:
    """A newer program may have formats that this one does not know."""
    checked = bounds.text(value, 8)
    if not checked.isascii() or not checked.isalnum():
        raise ValueError("a format is letters and digits")
    return checked


_SIDE = partial(bounds.integer, most=_MAX_SIDE)
_VARIANT: Mapping[str, Callable[[Any], Any]] = {
    "size": partial(bounds.integer, most=99_999, least=1),
    "width": _SIDE,
    "height": _SIDE,
    "size_bytes": partial(bounds.integer, most=MAX_RAW_BYTES),
    "sha256": bounds.sha256,
    "recipe": partial(bounds.integer, least=1, most=MAX_RECIPE),
    "format": _format,
}
READERS: Mapping[str, Callable[[Any], Any]] = {
    "owner_id": partial(bounds.id_of, ids.USER),
    "residency_class": partial(bounds.text, most=MAX_CLASS_CHARS),
    "caption": partial(bounds.shown_text, most=MAX_CAPTION_CHARS),
    "created_at_ms": bounds.at_ms,
    "width": bounds.optional(_SIDE),
    "height": bounds.optional(_SIDE),
    "recipe": partial(bounds.integer, least=1, most=MAX_RECIPE),
    "visibility": partial(bounds.shown_line, most=_MAX_VISIBILITY),
    "placeholder": bounds.optional(partial(bounds.base64, most=MAX_PLACEHOLDER_CHARS)),
    "size_bytes": partial(bounds.integer, most=MAX_RAW_BYTES),
    "sha256": bounds.optional(bounds.sha256),
    "content_type": bounds.optional(partial(bounds.shown_line, most=_MAX_WORD)),
    "taken_at": bounds.optional(partial(bounds.shown_line, most=_MAX_TIME)),
    "camera": bounds.optional(partial(bounds.shown_line, most=_MAX_WORD)),
    "perceptual_hash": bounds.optional(partial(bounds.shown_line, most=_MAX_HASH)),
    "variants": _variants,
}
"""Each field of `Photo` that crosses, and what takes its value only within its bounds."""
