"""What a camera wrote into its EXIF (CIPA DC-008): when, with what, and where a picture was taken. Pure."""

import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from processing.formats import tags
from processing.formats.facts import Calibrated, Colour
from processing.formats.tags import Tags, Values
from regions.records import Location

MAX_TEXT_CHARS = 100

_EXIF, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
_MAKE, _MODEL, _ORIENTATION = 0x010F, 0x0110, 0x0112
_COLOUR_SPACE, _SRGB_SPACE, _ADOBE_SPACE, _DCF_OPTION = 0xA001, 1, 2, "R03"
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _ALTITUDE_REF, _ALTITUDE, _STATUS = 1, 2, 3, 4, 5, 6, 9
_ADOBE_RGB = Calibrated(563 / 256, (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))


class _Dates(NamedTuple):
    """The tags of one date: its date, the fraction of its second, and its offset from UTC."""

    date: int
    fraction: int
    offset: int


_TAKEN = _Dates(0x9003, 0x9291, 0x9011)
_DIGITIZED = _Dates(0x9004, 0x9292, 0x9012)
_CHANGED = _Dates(0x0132, 0x9290, 0x9010)
_OF_PICTURE = frozenset({_MAKE, _MODEL, _ORIENTATION, _EXIF, _GPS, *_TAKEN, *_DIGITIZED, *_CHANGED})
_OF_CAMERA = frozenset({_COLOUR_SPACE, _INTEROPERABILITY, *_TAKEN, *_DIGITIZED, *_CHANGED})
_OF_PLACE = frozenset({_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _ALTITUDE_REF, _ALTITUDE, _STATUS})
_OF_OPTIONS = frozenset({1})


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
    order = tags.byte_order(exif)
    if order is None:
        return CameraFacts()
    picture = tags.read(exif, order, tags.first_directory(exif, order), _OF_PICTURE)
    taken = {**picture, **tags.read(exif, order, _number(picture, _EXIF), _OF_CAMERA)}
    places = tags.read(exif, order, _number(picture, _GPS), _OF_PLACE)
    options = tags.read(exif, order, _number(taken, _INTEROPERABILITY), _OF_OPTIONS)
    orientation = _number(picture, _ORIENTATION)
    return CameraFacts(
        orientation if orientation in range(1, 9) else 1,
        _taken_at(taken),
        _camera(_text(picture.get(_MAKE)), _text(picture.get(_MODEL))),
        _location(places),
        _colour(taken, options),
    )


def _number(found: Tags, tag: int) -> int:
    """The one whole number of a tag; 0 if it has none, or several."""
    values = found.get(tag, ())
    return int(values[0]) if len(values) == 1 and math.isfinite(values[0]) else 0


def _taken_at(taken: Tags) -> str | None:
    """The first date that the file has of: taken, digitized, changed. Each stands with its own fraction and offset.

    Many cameras write no offset but that of the last one, which is `OffsetTime`. It holds for the picture, too, as
    long as the file was not changed afterwards, perhaps somewhere else.
    """
    changed = _date(taken.get(_CHANGED.date))
    for dates in (_TAKEN, _DIGITIZED, _CHANGED):
        if (date := _date(taken.get(dates.date))) is not None:
            offset = _offset(taken.get(dates.offset))
            if not offset and changed in (None, date):
                offset = _offset(taken.get(_CHANGED.offset))
            return date + _fraction(taken.get(dates.fraction)) + offset
    return None


def _date(value: Values | None) -> str | None:
    with suppress(ValueError):
        return datetime.strptime(_text(value), "%Y:%m:%d %H:%M:%S").isoformat()
    return None


def _fraction(value: Values | None) -> str:
    """With its point, to the millisecond."""
    digits = _text(value)
    return f".{digits[:3]}" if digits.isascii() and digits.isdigit() else ""


def _offset(value: Values | None) -> str:
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


def _location(places: Tags) -> Location | None:
    latitude = _degrees(places.get(_LATITUDE, ()), _text(places.get(_LATITUDE_REF)) == "S", 90)
    longitude = _degrees(places.get(_LONGITUDE, ()), _text(places.get(_LONGITUDE_REF)) == "W", 180)
    if latitude is None or longitude is None or _text(places.get(_STATUS)) == "V":
        return None
    return Location(latitude, longitude, _altitude_m(places))


def _degrees(values: Values, is_negative: bool, limit: float) -> float | None:
    """Of degrees, minutes and seconds, to about 10 cm."""
    if len(values) != 3:
        return None
    sum_ = values[0] + values[1] / 60 + values[2] / 3600
    return round(-sum_ if is_negative else sum_, 6) if 0 <= sum_ <= limit else None


def _altitude_m(places: Tags) -> float | None:
    values = places.get(_ALTITUDE, ())
    if len(values) != 1 or not abs(values[0]) < 100_000:
        return None
    return round(-values[0] if _number(places, _ALTITUDE_REF) == 1 else values[0], 1)


def _colour(taken: Tags, options: Tags) -> Colour:
    """Cameras that write Adobe RGB name it in the DCF's way (option R03), or by the number that others use."""
    space = _number(taken, _COLOUR_SPACE)
    is_adobe = space == _ADOBE_SPACE or (space != _SRGB_SPACE and _text(options.get(1)) == _DCF_OPTION)
    return _ADOBE_RGB if is_adobe else None


def _text(values: Values | None) -> str:
    """The printable characters of a text; empty for anything else."""
    text = values.decode("latin-1") if isinstance(values, bytes) else ""
    return "".join(filter(str.isprintable, text.partition("\0")[0])).strip()
