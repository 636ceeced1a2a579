"""What a process says of itself in the settings: flat documents of numbers, which programs of two versions exchange.

Fields that this program does not know are ignored; a document that lacks one can't be read. Pure.
"""

import json
from dataclasses import asdict, fields
from types import NoneType, UnionType
from typing import Any, TypeVar

EVERY_S = 2.0
GONE_AFTER_MS = 10_000
"""A process that has not reported for so long is gone."""

_MOST = 10**15
"""No time, count or rate is larger. What is computed from these numbers then fits into a float."""
_MOST_NAMES = 10_000

Document = TypeVar("Document")


def is_present(at_ms: int, now_ms: int) -> bool:
    """Whether who reported at that time is there. One from the future is not: nobody knows how old it is."""
    return abs(now_ms - at_ms) < GONE_AFTER_MS


def to_text(document: Any) -> str:
    """Of a dataclass."""
    return json.dumps(asdict(document), separators=(",", ":"))


def from_text(kind: type[Document], text: str) -> Document | None:
    """None if this program can't read it."""
    try:
        return from_value(kind, json.loads(text))
    except (ValueError, RecursionError):
        return None


def from_value(kind: type[Document], value: Any) -> Document | None:
    """The same from any JSON value. `kind` is a dataclass whose fields are text, numbers, and mappings of numbers."""
    types = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]  # a TypeVar has no protocol
    if not isinstance(value, dict) or not types.keys() <= value.keys():
        return None
    return (
        kind(**{name: value[name] for name in types})
        if all(_fits(types[name], value[name]) for name in types)
        else None
    )


def _fits(kind: Any, value: Any) -> bool:
    if isinstance(kind, UnionType):
        return any(_fits(one, value) for one in kind.__args__)
    if kind is NoneType or kind is bool:
        return isinstance(value, kind)
    if kind is str:
        # A lone surrogate, for example, can't be printed.
        return isinstance(value, str) and value.isprintable()
    if kind is int or kind is float:
        return _is_number(kind, value)
    _, number = kind.__args__
    if not isinstance(value, dict) or len(value) > _MOST_NAMES:
        return False
    return all(name.isprintable() and _is_number(number, each) for name, each in value.items())


def _is_number(kind: type, value: Any) -> bool:
    kinds = (int,) if kind is int else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and 0 <= value <= _MOST
