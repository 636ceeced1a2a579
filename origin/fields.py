"""Reads the JSON documents and query parameters that clients send. Input is hostile until it is read here.

Every field has a type and a bound. Errors are BadRequest and name the field.
"""

import json
import re
from typing import Any
from unicodedata import category

import falcon

from regions import ids
from regions.errors import BadRequest, NotFound, TooLarge
from regions.untrusted_text import has_controls

MAX_BODY_BYTES = 64 * 1024
DEFAULT_LIMIT, MAX_LIMIT = 30, 100

Document = dict[str, Any]

# Letters and symbols that are displayed as nothing: the Hangul fillers, and Braille without a dot.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def raw_body(request: falcon.Request) -> bytes:
    """The request's body, read once. Raises TooLarge over 64 KiB."""
    if not hasattr(request.context, "body"):
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise TooLarge(f"the body may have at most {MAX_BODY_BYTES} bytes")
        request.context.body = request.bounded_stream.read(MAX_BODY_BYTES + 1)
    if len(request.context.body) > MAX_BODY_BYTES:
        raise TooLarge(f"the body may have at most {MAX_BODY_BYTES} bytes")
    return bytes(request.context.body)


def body(request: falcon.Request) -> Document:
    """The JSON object in the request. Raises TooLarge over 64 KiB, and BadRequest for anything but an object."""
    try:
        value = json.loads(raw_body(request))
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def text(source: Document, name: str, most: int, pattern: str | None = None, lines: bool = False) -> str:
    """A string of 1 to `most` characters, at least one of them visible. White space around it is removed.

    `lines` allows line breaks and tabs. With `pattern`, the whole text must match it.
    """
    value = source.get(name)
    if not isinstance(value, str) or not _is_visible(value) or len(value) > most:
        raise BadRequest(f"{name} must be a string of 1 to {most} characters")
    value = value.strip().replace("\r\n", "\n")
    if has_controls(value, "\n\t" if lines else ""):
        raise BadRequest(f"{name} contains control characters")
    if pattern is not None and not re.fullmatch(pattern, value):
        raise BadRequest(f"{name} must match {pattern}")
    return value


def _is_visible(value: str) -> bool:
    """Whether there is a letter, number, punctuation mark or symbol, or an emoji that is newer than Python's tables."""
    return any(
        (category(letter)[0] in "LNPS" and letter not in _BLANK) or "\U0001f000" <= letter <= "\U0001faff"
        for letter in value
    )


def optional_text(
    source: Document, name: str, most: int, pattern: str | None = None, lines: bool = False
) -> str | None:
    """Like `text`, but None if the field is missing, null or empty."""
    if source.get(name) in (None, ""):
        return None
    return text(source, name, most, pattern, lines)


def integer(source: Document, name: str, least: int, most: int) -> int:
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadRequest(f"{name} must be a whole number from {least} to {most}")
    return value


def objects(source: Document, name: str, most: int) -> list[Document]:
    value = source.get(name)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, dict) for item in value):
        raise BadRequest(f"{name} must be a list of at most {most} objects")
    return value


def texts(source: Document, name: str, most: int, longest: int) -> list[str]:
    value = source.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise BadRequest(f"{name} must be a list of at most {most} strings")
    return [text({name: item}, name, longest) for item in value]


def page(request: falcon.Request, kind: str) -> tuple[str | None, int]:
    """The page of a list of ids of that `kind`: `before` (the cursor, None for the first page) and `limit`."""
    limit = number(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    before = request.get_param("before", default=None)
    if before is not None:
        try:
            ids.parse(kind, before)
        except NotFound as error:
            raise BadRequest("before must be the `next` of the page before") from error
    return before, limit


def number(request: falcon.Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query, in ASCII digits. (`int` also takes `+3`, `1_0` and the digits of other scripts.)"""
    text = request.get_param(name, default=str(default))
    if not re.fullmatch("[0-9]{1,19}", text) or not least <= int(text) <= most:
        raise BadRequest(f"{name} must be a whole number from {least} to {most}")
    return int(text)
