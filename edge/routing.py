"""Which region a request is for, and whether it may be passed on at all. Pure."""

import re
from collections.abc import Collection
from typing import Any

import jwt

from regions import ids
from regions.errors import LoopDetected, NotFound
from regions.topology import Edge, Region, Topology

_PATH = re.compile("/v1(?:/[A-Za-z0-9._~-]+)+")
_ID = re.compile("[puc]_[0-9A-Za-z]{11}")
_PUBLIC = ("users", "uploads", "photos")
_MAX_TOKEN_CHARS = 2048
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
     "transfer-encoding", "upgrade")
)  # fmt: skip


def require_public(path: str) -> None:
    """Raises NotFound for whatever is not plainly the public part of the API.

    A forwarded request carries this edge's own token, with which the origin would answer what is for servers only
    (grants, tombstones): so the public part is listed, and a path with any escape in it is nobody's.
    """
    if not _PATH.fullmatch(path) or path.split("/")[2] not in _PUBLIC or "/../" in f"{path}/" or "/./" in f"{path}/":
        raise NotFound(f"nothing is served at {path[:100]}")


def region_for(topology: Topology, edge: Edge, path: str, authorization: str) -> Region:
    """The region of the first id in the path, else that of the token, else the one nearest to the edge.

    The token is not checked: it chooses who is asked, and the origin asked checks it.
    """
    for segment in path.split("/"):
        if _ID.fullmatch(segment) and (region := _region_of_id(topology, segment)):
            return region
    named = topology.regions.get(_signer(authorization))
    return named or topology.nearest_region(edge.latitude, edge.longitude)


def misdirected_to(topology: Topology, document: Any, tried: str) -> Region | None:
    """The region that a 421 names, where it is another than the one that was asked."""
    name = document.get("region") if isinstance(document, dict) else None
    return topology.regions.get(name) if isinstance(name, str) and name != tried else None


def end_to_end(fields: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields that a proxy passes on (RFC 9110 section 7.6.1)."""
    named = {
        token.strip().lower() for name, value in fields if name.lower() == "connection" for token in value.split(",")
    }
    return [(name, value) for name, value in fields if name.lower() not in _HOP_BY_HOP | named]


def cdn_id(edge: str) -> str:
    return f"darkroom-{edge}"


def cdn_loop(field: str, edge: str) -> str:
    """The CDN-Loop to send on (RFC 8586). Raises LoopDetected where this edge is in it already."""
    seen = [member.partition(";")[0].strip().lower() for member in field.split(",")]
    if cdn_id(edge) in seen:
        raise LoopDetected(f"the request has been at {edge} before")
    return f"{field}, {cdn_id(edge)}" if field else cdn_id(edge)


def _region_of_id(topology: Topology, public_id: str) -> Region | None:
    try:
        return topology.region_numbered(ids.parse(public_id[0], public_id).region)
    except NotFound:
        return None


def _signer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or len(token) > _MAX_TOKEN_CHARS:
        return ""
    try:
        return str(jwt.get_unverified_header(token.strip()).get("kid"))
    except jwt.InvalidTokenError:
        return ""
