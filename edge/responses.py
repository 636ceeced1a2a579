"""Requests and responses as the application sees them, independent of the server that transports them. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge.http1 import RequestHead
from regions.errors import PROBLEM_JSON, Problem

Headers = list[tuple[str, str]]

COMMON: Headers = [("X-Content-Type-Options", "nosniff"), ("Access-Control-Allow-Origin", "*")]


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body has arrived in full. `client` is the address that it comes from, by the connection."""

    head: RequestHead
    body: bytes = b""
    client: str = ""

    def header(self, name: str) -> str:
        """A header's value by its lower-case name; empty if the request does not have it."""
        return self.head.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Response:
    """`chunks` yields `size_bytes` in all. If it raises, the server cuts the connection, so that the client can tell.

    The server calls `close` on the chunks if they have it, whether it has sent them or not. The application handles a
    HEAD as a GET; the server omits the body.
    """

    status: int
    headers: Headers
    chunks: Iterable[bytes]
    size_bytes: int


def from_bytes(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Response:
    return Response(status, [("Content-Type", content_type), *headers, *COMMON], (body,), len(body))


def from_json(value: Any) -> Response:
    return from_bytes(200, "application/json", json.dumps(value).encode(), ("Cache-Control", "no-store"))


def from_problem(problem: Problem, *headers: tuple[str, str]) -> Response:
    """RFC 9457. If the problem may pass, Retry-After is set."""
    extra = [("Cache-Control", "no-store"), *headers]
    if problem.retry_after_s is not None:
        extra.append(("Retry-After", str(problem.retry_after_s)))
    return from_bytes(problem.status, PROBLEM_JSON, json.dumps(problem.document()).encode(), *extra)


def not_modified(*headers: tuple[str, str]) -> Response:
    return Response(304, list(headers), (), 0)
