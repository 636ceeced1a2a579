"""Which region a request is for, and whether it may be forwarded at all. Pure."""

import re
from collections.abc import Collection
from typing import Any

from regions import ids, user_tokens
from regions.errors import LoopDetected, NotFound
from regions.topology import Edge, Region, Topology

_PATH = re.compile("/v1(?:/[A-Za-z0-9._~-]+)+")
_ID = re.compile("[puc]_[0-9A-Za-z]{11}")
_PUBLIC = ("users", "uploads", "photos", "sessions", "homes")
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
     "transfer-encoding", "upgrade")
)  # fmt: skip


def require_public(path: str) -> None:
    """Raises NotFound unless the path is clearly in the public part of the API.

    A forwarded request carries this edge's own node token. With that token the origin would also answer requests that
    are for servers only (grants, tombstones). So this is a list of what is allowed, and a path with any escape in it
    is not allowed.
    """
    if not _PATH.fullmatch(path) or path.split("/")[2] not in _PUBLIC or "/../" in f"{path}/" or "/./" in f"{path}/":
        raise NotFound(f"nothing is served at {path[:100]}")


def is_home_of(topology: Topology, region: str, photo_id: str) -> bool:
    """Whether the photo's home is the region; False for what is no id of a photo."""
    try:
        return ids.parse(ids.PHOTO, photo_id).region == topology.regions[region].number
    except NotFound:
        return False


def region_for(topology: Topology, edge: Edge, path: str, authorization: str) -> Region:
    """The region of the first id in the path; else the one that the token is for; else the one nearest to the edge.

    The token is not verified here. It only selects an origin, and that origin verifies it.
    """
    for segment in path.split("/"):
        if _ID.fullmatch(segment) and (region := _region_of_id(topology, segment)):
            return region
    from_token = topology.regions.get(_audience(authorization))
    return from_token or topology.nearest_region(edge.latitude, edge.longitude)


def misdirected_to(topology: Topology, document: Any, tried: str) -> Region | None:
    """The region that a 421 names; None if it names no known region, or the one that was `tried`."""
    name = document.get("region") if isinstance(document, dict) else None
    return topology.regions.get(name) if isinstance(name, str) and name != tried else None


def forwardable_headers(headers: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """The end-to-end headers, which a proxy may forward (RFC 9110 section 7.6.1)."""
    connection_options = {
        option.strip().lower() for name, value in headers if name.lower() == "connection" for option in value.split(",")
    }
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP | connection_options]


def cdn_id(edge: str) -> str:
    return f"darkroom-{edge}"


def cdn_loop(received: str, edge: str) -> str:
    """The CDN-Loop header to send with the forwarded request (RFC 8586).

    Raises LoopDetected if the received header already names this edge.
    """
    visited = [member.partition(";")[0].strip().lower() for member in received.split(",")]
    if cdn_id(edge) in visited:
        raise LoopDetected(f"the request has already passed through {edge}")
    return f"{received}, {cdn_id(edge)}" if received else cdn_id(edge)


def _region_of_id(topology: Topology, public_id: str) -> Region | None:
    try:
        return topology.region_numbered(ids.parse(public_id[0], public_id).region)
    except NotFound:
        return None


def _audience(authorization: str) -> str:
    """The region that a bearer token is for (not verified here); empty if there is none."""
    scheme, _, token = authorization.partition(" ")
    return user_tokens.audience_unverified(token.strip()) if scheme.lower() == "bearer" else ""
