"""What a camera wrote into its EXIF (CIPA DC-008): when, with what, and where a picture was taken. Pure.

Pillow reads the tags. It reads no more of them than there are, and follows no loop.
"""

import math
import struct
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from PIL import Image

from processing.formats.facts import Calibrated, Colour
from regions.records import Location

MAX_TEXT_CHARS = 100
MAX_EXIF_BYTES = 4 << 20

_EXIF, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
_MAKE, _MODEL, _ORIENTATION = 0x010F, 0x0110, 0x0112
_COLOUR_SPACE, _SRGB_SPACE, _ADOBE_SPACE, _DCF_OPTION = 0xA001, 1, 2, "R03"
_ADOBE_RGB = Calibrated(563 / 256, (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))
_READING_ERRORS = (ValueError, SyntaxError, OSError, struct.error, LookupError, TypeError, ArithmeticError)


class _Dates(NamedTuple):
    """The tags of one date: its date, the fraction of its second, and its offset from UTC."""

    date: int
    fraction: int
    offset: int


_TAKEN = _Dates(0x9003, 0x9291, 0x9011)
_DIGITIZED = _Dates(0x9004, 0x9292, 0x9012)
_CHANGED = _Dates(0x0132, 0x9290, 0x9010)


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """`taken_at` is ISO 8601, with the offset from UTC if there is one; `colour` is what the EXIF says of it."""

    orientation: int = 1
    taken_at: str | None = None
    camera: str | None = None
    location: Location | None = None
    colour: Colour = None


def read(exif: bytes) -> CameraFacts:
    """`exif` starts with its TIFF header; it may be anything. What can't be read is left out."""
    tags, places, options = _tags(exif)
    orientation = tags.get(_ORIENTATION)
    return CameraFacts(
        orientation if isinstance(orientation, int) and orientation in range(1, 9) else 1,
        _taken_at(tags),
        _camera(_text(tags.get(_MAKE)), _text(tags.get(_MODEL))),
        _location(places),
        _colour(tags, options),
    )


def _tags(exif: bytes) -> tuple[Mapping[int, Any], Mapping[int, Any], Mapping[int, Any]]:
    """The tags of the picture and the camera, of the place, and of the options; each may be empty."""
    found = Image.Exif()
    if not exif or len(exif) > MAX_EXIF_BYTES:
        return {}, {}, {}
    with warnings.catch_warnings(), suppress(*_READING_ERRORS):
        warnings.simplefilter("ignore")
        found.load(exif)
        tags = dict(found)
        tags |= _directory(found, _EXIF)
        return tags, _directory(found, _GPS), _directory(found, _INTEROPERABILITY)
    return {}, {}, {}


def _directory(found: Image.Exif, tag: int) -> dict[int, Any]:
    with suppress(*_READING_ERRORS):
        return dict(found.get_ifd(tag))
    return {}


def _taken_at(tags: Mapping[int, Any]) -> str | None:
    """The first date that the file has of: taken, digitized, changed. Each stands with its own fraction and offset.

    Many cameras write no offset but that of the last one, which is `OffsetTime`. It holds for the picture, too, as
    long as the file was not changed afterwards, perhaps somewhere else.
    """
    changed = tags.get(_CHANGED.date)
    for dates in (_TAKEN, _DIGITIZED, _CHANGED):
        if (taken := _date(tags.get(dates.date))) is not None:
            offset = _offset(tags.get(dates.offset))
            if not offset and (changed is None or _date(changed) == taken):
                offset = _offset(tags.get(_CHANGED.offset))
            return taken + _fraction(tags.get(dates.fraction)) + offset
    return None


def _date(value: Any) -> str | None:
    with suppress(ValueError):
        return datetime.strptime(_text(value), "%Y:%m:%d %H:%M:%S").isoformat()
    return None


def _fraction(value: Any) -> str:
    """With its point, to the millisecond."""
    digits = _text(value)
    return f".{digits[:3]}" if digits.isascii() and digits.isdigit() else ""


def _offset(value: Any) -> str:
    """Empty if there is none, or none that is used anywhere on Earth."""
    with suppress(ValueError):
        offset = datetime.strptime(_text(value), "%z").utcoffset()
        text = _text(value)
        if offset is not None and len(text) == 6 and -12 * 60 <= (minutes := offset.total_seconds() / 60) <= 14 * 60:
            return text if minutes % 15 == 0 else ""
    return ""


def _camera(make: str, model: str) -> str | None:
    """Maker and model, without the maker if the model names it ("NIKON CORPORATION", "NIKON D70")."""
    first = model.casefold().partition(" ")[0]
    names_maker = first and first in make.casefold().split()
    return (model if names_maker else f"{make} {model}").strip()[:MAX_TEXT_CHARS] or None


def _location(places: Mapping[int, Any]) -> Location | None:
    latitude = _degrees(places.get(2), places.get(1), "S", 90)
    longitude = _degrees(places.get(4), places.get(3), "W", 180)
    if latitude is None or longitude is None or _text(places.get(9)) == "V":
        return None
    return Location(latitude, longitude, _altitude_m(places))


def _degrees(value: Any, reference: Any, negative: str, limit: float) -> float | None:
    """Of degrees, minutes and seconds, to about 10 cm."""
    with suppress(*_READING_ERRORS):
        degrees, minutes, seconds = (float(part) for part in value)
        sum_ = degrees + minutes / 60 + seconds / 3600
        if math.isfinite(sum_) and 0 <= sum_ <= limit:
            return round(-sum_ if _text(reference) == negative else sum_, 6)
    return None


def _altitude_m(places: Mapping[int, Any]) -> float | None:
    with suppress(*_READING_ERRORS):
        altitude_m = float(places[6])
        is_below = places.get(5) in (1, b"\x01")
        if math.isfinite(altitude_m) and abs(altitude_m) < 100_000:
            return round(-altitude_m if is_below else altitude_m, 1)
    return None


def _colour(tags: Mapping[int, Any], options: Mapping[int, Any]) -> Colour:
    """Cameras that write Adobe RGB name it in the DCF's way (option R03), or by the number that others use."""
    space = tags.get(_COLOUR_SPACE)
    is_adobe = space == _ADOBE_SPACE or (space != _SRGB_SPACE and _text(options.get(1)) == _DCF_OPTION)
    return _ADOBE_RGB if is_adobe else None


def _text(value: Any) -> str:
    """The printable characters of a text; empty for anything else."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return ""
    return "".join(filter(str.isprintable, value.partition("\0")[0])).strip()
