"""The routes of accounts, which only the home's own shield forwards. Pure.

An edge that ends TLS sees what passes through it, a passphrase too. So an edge that is not the shield of the account's
home forwards nothing of it: its 421 names the region and the URL of its shield, and the client goes there itself. What
the request says tells the region: the id in the path, the handle (`ana@eu-west`), the refresh token, which begins with
the user's id, or, at sign-up, the country.
"""

import json
import re
from typing import Any

from edge.responses import Headers
from regions import ids
from regions.errors import BadRequest, NotFound
from regions.topology import Topology, home_of

_OF_USER = re.compile(
    "/v1/users/([^/]+)/(?:sessions(?:/[^/]+)?|confirmation|script-tokens|recovery-codes|passphrase|name|export)"
)
_PROFILE = re.compile("/v1/users/([^/]+)")
_COUNTRY = re.compile("[A-Z]{2}")
_SIGN_UP = "/v1/users"
_SESSIONS = ("/v1/sessions", "/v1/sessions/recovery")
_REFRESH = "/v1/sessions/refresh"

# A page of another edge may call them: it sends bearer tokens, and no cookie is ever read, so that a page can do no
# more here than any other program.
CORS: Headers = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key"),
    ("Access-Control-Expose-Headers", "Retry-After, RateLimit, RateLimit-Policy"),
    ("Access-Control-Max-Age", "600"),
]


def is_account(method: str, path: str) -> bool:
    """Whether it is a route of accounts. OPTIONS is asked before any of the others (the CORS protocol)."""
    if path in (_SIGN_UP, *_SESSIONS, _REFRESH):
        return method in ("POST", "OPTIONS")
    if _PROFILE.fullmatch(path):
        return method in ("DELETE", "OPTIONS")
    return _OF_USER.fullmatch(path) is not None


def home(topology: Topology, path: str, body: bytes) -> str | None:
    """The home region of the account; None if only the policy knows it: see `country`. Raises BadRequest, NotFound."""
    if found := _OF_USER.fullmatch(path) or _PROFILE.fullmatch(path):
        return home_of(topology, ids.USER, found[1]).name
    if path == _SIGN_UP:
        return None
    document = _parsed(body)
    if path == _REFRESH:
        try:
            return home_of(topology, ids.USER, _text(document, "refresh_token").partition(".")[0]).name
        except NotFound as error:
            raise BadRequest("refresh_token is none of ours") from error
    region = _text(document, "handle").partition("@")[2]
    if region not in topology.regions:
        raise BadRequest("handle must be written with its region, such as ana@eu-west")
    return region


def country(body: bytes) -> str:
    """Where somebody who signs up lives. Raises BadRequest."""
    value = _text(_parsed(body), "country")
    if not _COUNTRY.fullmatch(value):
        raise BadRequest("country must be a code of ISO 3166-1, such as PT")
    return value


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a string")
    return value
