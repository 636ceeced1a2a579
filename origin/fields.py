"""Reads what clients send: every field has a type and a bound, and a refusal names the field."""

import json
import re
from typing import Any
from unicodedata import category

import falcon

from regions.errors import BadRequest, TooLarge

MAX_BODY_BYTES = 64 * 1024
DEFAULT_LIMIT, MAX_LIMIT = 30, 100

Body = dict[str, Any]

# Control characters, and halves of surrogate pairs, which no UTF-8 can carry.
_NOT_TEXT = ("Cc", "Cs")
# These turn the order of what stands after them around (Unicode UAX #9), and so put words into others' mouths.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and signs that are drawn as nothing: the Hangul fillers, and Braille without a dot.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def body(request: falcon.Request) -> Body:
    """The request's JSON object. Raises TooLarge over 64 KiB and BadRequest for anything but an object."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise TooLarge(f"the body may have {MAX_BODY_BYTES} bytes")
    data = request.bounded_stream.read(MAX_BODY_BYTES + 1)
    if len(data) > MAX_BODY_BYTES:
        raise TooLarge(f"the body may have {MAX_BODY_BYTES} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def text(source: Body, name: str, most: int, pattern: str | None = None, lines: bool = False) -> str:
    """A string of 1 to `most` characters of which one can be seen, white space around it cut off.

    `lines` allows line ends and tabs.
    """
    value = source.get(name)
    if not isinstance(value, str) or not _is_visible(value) or len(value) > most:
        raise BadRequest(f"{name} must be a text of 1 to {most} characters")
    value = value.strip().replace("\r\n", "\n")
    allowed = "\n\t" if lines else ""
    if any(_is_control(letter) and letter not in allowed for letter in value):
        raise BadRequest(f"{name} has characters that are not text")
    if pattern is not None and not re.fullmatch(pattern, value):
        raise BadRequest(f"{name} must look like {pattern}")
    return value


def _is_control(letter: str) -> bool:
    return category(letter) in _NOT_TEXT or letter in _BIDI_CONTROLS


def _is_visible(value: str) -> bool:
    """Letters, numbers, punctuation and symbols can be seen; and emoji that are newer than Python's tables."""
    return any(
        (category(letter)[0] in "LNPS" and letter not in _BLANK) or "\U0001f000" <= letter <= "\U0001faff"
        for letter in value
    )


def optional_text(source: Body, name: str, most: int, pattern: str | None = None, lines: bool = False) -> str | None:
    if source.get(name) in (None, ""):
        return None
    return text(source, name, most, pattern, lines)


def integer(source: Body, name: str, least: int, most: int) -> int:
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadRequest(f"{name} must be a whole number from {least} to {most}")
    return value


def objects(source: Body, name: str, most: int) -> list[Body]:
    value = source.get(name)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, dict) for item in value):
        raise BadRequest(f"{name} must be a list of at most {most} objects")
    return value


def texts(source: Body, name: str, most: int, longest: int) -> list[str]:
    value = source.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise BadRequest(f"{name} must be a list of at most {most} texts")
    return [text({name: item}, name, longest) for item in value]


def page(request: falcon.Request) -> tuple[str | None, int]:
    """`?before=` and `?limit=` of a list."""
    limit = request.get_param_as_int("limit", default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    before = request.get_param("before")
    if before is not None and len(before) > 64:
        raise BadRequest("before is not a cursor of ours")
    return before, limit


def listing(items: list[Any], limit: int, cursors: list[str]) -> Body:
    """A page as every list of the API gives it; `cursors` are those of the items that were read."""
    return {"items": items, "next": cursors[-1] if len(cursors) == limit else None}
