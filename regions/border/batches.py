"""Batches: many items of one kind in one request over a border, each answered by itself.

A request has its items in a list named after their kind. Its response has as many `answers`, in the same order: each is
that item's answer, or has `problem`, a problem document (RFC 9457). So an item that is refused stops no other.

Reading raises TypeError, ValueError or KeyError for anything that is not within its bounds. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from regions.border import bounds

MAX_ITEMS = 32
MAX_BYTES = 60 << 10
"""Of all items together, as JSON: with what is around them, this is within what an origin takes as a body (64 KiB)."""

ANSWERS, PROBLEM = "answers", "problem"
_MAX_DETAIL_CHARS = 500


def batch_text(kind: str, items: Sequence[bytes]) -> bytes:
    """The body of a request, from the JSON of its items."""
    return b'{"%s":[%s]}' % (kind.encode(), b",".join(items))


def weight(item: bytes) -> int:
    """Of an item, if `MAX_BYTES` is the most that a batch may weigh: so it has at most `MAX_ITEMS`, too."""
    return max(len(item) + 1, MAX_BYTES // MAX_ITEMS)


def parse_answers(document: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The answers to so many items."""
    answers = bounds.objects(document[ANSWERS], count)
    if len(answers) < count:
        raise ValueError("not every item is answered")
    return answers


def parse_problem(document: Mapping[str, Any]) -> tuple[int, str]:
    """Status and detail of a problem document."""
    return bounds.integer(document["status"], 599, 400), parse_detail(document)


def parse_detail(document: Mapping[str, Any]) -> str:
    """Cut, and not refused, if it is long."""
    return str(document["detail"])[:_MAX_DETAIL_CHARS]
