"""Reads values of another region's documents, each within its bounds: its program may be newer, broken or hostile.

Everything raises TypeError or ValueError for another value; who reads a document turns these into a problem. Pure.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from regions import ids
from regions.errors import NotFound
from regions.untrusted_text import SHA256, has_controls

Value = TypeVar("Value")

_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")
AHEAD_MS = 10 * 60_000
"""How far another region's clock may be ahead, which puts the time into an id; and a photo's record behind its id."""
MAX_AT_MS = 253_402_300_799_999  # the end of the year 9999, the last one of RFC 3339


def text(value: Any, most: int) -> str:
    """At most `most` characters, all of which UTF-8 can encode."""
    if not isinstance(value, str) or len(value) > most:
        raise TypeError(f"expected a string of at most {most} characters")
    value.encode()
    return value


def shown_text(value: Any, most: int, allowed: str = "\n\t") -> str:
    """Without control characters but those `allowed`: they may make a text appear to say something else."""
    checked = text(value, most)
    if has_controls(checked, allowed):
        raise ValueError("a text with control characters")
    return checked


def shown_line(value: Any, most: int) -> str:
    """Without any control character, line break or tab."""
    return shown_text(value, most, allowed="")


def base64(value: Any, most: int) -> str:
    checked = text(value, most)
    if not _BASE64.fullmatch(checked):
        raise ValueError("no base64")
    return checked


def integer(value: Any, most: int, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise TypeError(f"expected a whole number from {least} to {most}")
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def at_ms(value: Any) -> int:
    """Unix time in milliseconds."""
    return integer(value, MAX_AT_MS)


def sha256(value: Any) -> str:
    if not isinstance(value, str) or not SHA256.fullmatch(value):
        raise TypeError("expected a SHA-256 in lower-case hex")
    return value


def id_of(kind: str, value: Any) -> str:
    """A valid id of that kind."""
    checked = text(value, 20)
    try:
        ids.parse(kind, checked)
    except NotFound as error:
        raise ValueError(error.detail) from error
    return checked


def is_of_the_future(photo_id: str, now_ms: int) -> bool:
    """Feeds are in the order of ids: such a photo would stay at the head of all of them."""
    return ids.parse(ids.PHOTO, photo_id).at_ms > now_ms + AHEAD_MS


def created_at_ms(value: Any, photo_id: str) -> int:
    """When the photo with this id was made. Its home takes both times from one clock, the id's first."""
    if (created_ms := at_ms(value)) > ids.parse(ids.PHOTO, photo_id).at_ms + AHEAD_MS:
        raise ValueError("the photo was made long after its id")
    return created_ms


def optional(read: Callable[[Any], Value]) -> Callable[[Any], Value | None]:
    """The same, or None."""
    return lambda value: None if value is None else read(value)


def objects(value: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, dict) for item in value):
        raise TypeError(f"expected a list of at most {most} objects")
    return value
