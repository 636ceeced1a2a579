"""Requests that make something, and arrive twice: the second makes nothing, and is answered as the first was.

A client sends an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) with a POST, and the same one when it
repeats the POST because the answer was lost. An edge adds one where a client sent none, and the node token covers it,
so that a recorded request makes nothing a second time. Another user, route or body is another request.
"""

import hashlib
import re

import falcon

from origin import fields
from origin.context import Context
from regions.errors import BadRequest, Conflict

HEADER = "Idempotency-Key"
_KEY = re.compile("[A-Za-z0-9_-]{16,64}")
_MARK_BYTES = 16


def key_of(request: falcon.Request) -> str | None:
    """Raises BadRequest."""
    key = request.get_header(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise BadRequest(f"{HEADER} must be 16 to 64 random letters and digits")
    return key


def first(context: Context, request: falcon.Request, user_id: str, made: str) -> str:
    """What the first request with this key has made: `made`, if this is the first, or has no key.

    It is written down before the thing itself, so a process may have died between the two: who gets something else than
    `made` makes that, if it is not there. Raises BadRequest, Unavailable.
    """
    key = key_of(request)
    if key is None:
        return made
    parts = [user_id, key, request.method, request.path, hashlib.sha256(fields.raw_body(request)).hexdigest()]
    named = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return context.stores.catalog.requests.first(named, made, context.clock_ms())


def require_first(context: Context, request: falcon.Request, user_id: str) -> None:
    """Raises Conflict if a request with this key came here before: what it was answered is secret, and not kept.

    It is written down before anything is made. So if a process dies, the same request makes nothing any more, and the
    client sends a new one. Raises BadRequest, Unavailable.
    """
    mark = context.random(_MARK_BYTES).hex()
    if first(context, request, user_id, mark) != mark:
        raise Conflict(f"this request was received before, and is answered once; send it with another {HEADER}")
