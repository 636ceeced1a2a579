"""What the application gives for a request, whatever server carries it. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge.wire import Head
from regions.errors import PROBLEM_JSON, Problem

Fields = list[tuple[str, str]]

COMMON: Fields = [("X-Content-Type-Options", "nosniff"), ("Access-Control-Allow-Origin", "*")]


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body has arrived in full."""

    head: Head
    body: bytes = b""

    def field(self, name: str) -> str:
        """A header field's value by its lower-case name; empty where it is not there."""
        return self.head.fields.get(name, "")


@dataclass(frozen=True, slots=True)
class Response:
    """`chunks` give `size_bytes` in all; where they raise, the connection is cut, so that nobody takes a part for all.

    Whoever sends the answer, or does not, calls `close` on the chunks if they have it. A HEAD is answered as a GET; the
    server leaves the body away.
    """

    status: int
    fields: Fields
    chunks: Iterable[bytes]
    size_bytes: int


def of_bytes(status: int, content_type: str, body: bytes, *fields: tuple[str, str]) -> Response:
    return Response(status, [("Content-Type", content_type), *fields, *COMMON], (body,), len(body))


def of_json(value: Any) -> Response:
    return of_bytes(200, "application/json", json.dumps(value).encode(), ("Cache-Control", "no-store"))


def of_problem(problem: Problem, *fields: tuple[str, str]) -> Response:
    """RFC 9457. A problem that may pass says when to come again."""
    extra = [("Cache-Control", "no-store"), *fields]
    if problem.retry_after_s is not None:
        extra.append(("Retry-After", str(problem.retry_after_s)))
    return of_bytes(problem.status, PROBLEM_JSON, json.dumps(problem.document()).encode(), *extra)


def not_modified(*fields: tuple[str, str]) -> Response:
    return Response(304, list(fields), (), 0)
