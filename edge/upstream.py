"""Where images come from: an edge asks the shield of the photo's home region, and only the shield asks the origin.

The shield asks the origin for a grant, with its own token and with that of the edge that sent the request. The bytes
come straight from the region's object store.
"""

from collections.abc import Callable

from edge.flights import FetchResult, Flights
from edge.grant_cache import GrantCache
from edge.grants import Grant, Key, OriginGrant, from_origin, from_shield, renewed
from edge.images import ImageRequest
from edge.node_client import Incoming, NodeClient, parse_json
from edge.permissions import Permissions
from regions import node_tokens
from regions.errors import BadGateway, NotFound, Problem, ResidencyDenied, Unavailable
from regions.node_tokens import Call
from regions.topology import Edge, Region

_MAX_PROBLEM_BYTES = 16 * 1024
_UNAVAILABLE = (502, 503, 504)


class ShieldUpstream:
    """The shield of the region `home`, for the edge at `place`, which is not that shield itself."""

    def __init__(
        self,
        shield: Edge,
        place: str,
        node_client: NodeClient,
        grant_cache: GrantCache,
        permissions: Permissions,
        clock_s: Callable[[], float],
    ) -> None:
        self._shield, self._place, self._node_client = shield, place, node_client
        self._grant_cache, self._permissions, self._clock_s = grant_cache, permissions, clock_s

    def fetch(self, wanted: ImageRequest, sha256: str | None) -> FetchResult:
        """The image, or a result without chunks if `sha256` is still current.

        Raises NotFound, ResidencyDenied, Unavailable and BadGateway.
        """
        key, home = wanted.key, wanted.home
        url = f"{self._shield.url}/p/{key.photo_id}/{key.name}"
        # Only this shield may show it, and only for this image.
        grant = Call(home, "GET", grant_path(key), presenter=self._shield.name)
        headers = {node_tokens.GRANT_HEADER: self._node_client.token(grant)}
        if sha256:
            headers["If-None-Match"] = f'"{sha256}"'
        requested_at_s = self._clock_s()
        response = self._node_client.open_shield(self._shield.name, url, headers)
        try:
            result = self._result(response, url, home, sha256, requested_at_s)
        except BaseException:
            response.close()
            raise
        self._grant_cache.put(key, result.grant)
        return result

    def _result(
        self, response: Incoming, url: str, home: str, sha256: str | None, requested_at_s: float
    ) -> FetchResult:
        upstream_status = response.headers.get("Cache-Status", "")
        if response.status == 304 and sha256 is not None:
            b"".join(response.body(0))
            grant = renewed(sha256, response.headers, home, requested_at_s)
            return FetchResult(grant, 0, None, self._is_storable(grant), upstream_status)
        if response.status != 200:
            data = b"".join(response.body(_MAX_PROBLEM_BYTES))
            raise _problem(response.status, parse_json(data), url)
        grant, size_bytes = from_shield(response.headers, home, requested_at_s)
        storable = self._is_storable(grant)
        return FetchResult(grant, size_bytes, response.body(size_bytes), storable, upstream_status)

    def _is_storable(self, grant: Grant) -> bool:
        """Raises ResidencyDenied or Unavailable if it may not even be served from here."""
        permission = self._permissions.of(grant, self._place)
        permission.require_serve()
        return grant.sender_caches and permission.cache.allowed


class OriginUpstream:
    """A region's origin and object store, for the region's shield, which is at `place`."""

    def __init__(
        self,
        region: Region,
        place: str,
        node_client: NodeClient,
        grant_cache: GrantCache,
        permissions: Permissions,
        flights: Flights,
        clock_s: Callable[[], float],
    ) -> None:
        self._region, self._place, self._node_client = region, place, node_client
        self._grant_cache, self._permissions, self._flights, self._clock_s = grant_cache, permissions, flights, clock_s

    def fetch(self, wanted: ImageRequest, sha256: str | None) -> FetchResult:
        """The image for a request from a place, or a result without chunks if `sha256` is still current.

        Raises as `ShieldUpstream.fetch`.
        """
        key = wanted.key
        origin_grant = self._grant(wanted)
        grant = origin_grant.grant
        self._permissions.of(grant, wanted.place).require_serve()
        storable = self._permissions.of(grant, self._place).cache.allowed
        if grant.sha256 == sha256:
            return FetchResult(grant, 0, None, storable)
        # Several edges may request the image at once. Each needs a grant of its own, but one flight gets the bytes.
        # Its key has no place, unlike those of the flights in `images`, which call this. Those store the bytes.
        fetch = lambda: self._open_object(origin_grant)  # noqa: E731
        reader = self._flights.join(self._region.name, (key, "bytes"), fetch, _discard)
        return FetchResult(grant, origin_grant.size_bytes, reader, storable)

    def _grant(self, wanted: ImageRequest) -> OriginGrant:
        requested_at_s = self._clock_s()
        shown = {node_tokens.GRANT_HEADER: wanted.token} if wanted.token else {}
        url = self._region.origin + grant_path(wanted.key)
        reply = self._node_client.grant(self._region.name, url, shown)
        if reply.status != 200:
            raise _problem(reply.status, reply.json(), self._region.origin)
        origin_grant = from_origin(reply.json(), self._region.name, requested_at_s)
        self._grant_cache.put(wanted.key, origin_grant.grant)
        return origin_grant

    def _open_object(self, origin_grant: OriginGrant) -> FetchResult:
        response = self._node_client.open_signed(self._region.name, origin_grant.url)
        if response.status != 200:
            response.close()
            raise BadGateway(f"the object store responded with {response.status}")
        body = response.body(origin_grant.size_bytes)
        return FetchResult(origin_grant.grant, origin_grant.size_bytes, body)


def grant_path(key: Key) -> str:
    return f"/v1/grants/{key.photo_id}/{key.name}"


def _discard(result: FetchResult, body: bytes) -> None:
    """The flights that read this one store the bytes, if they may."""


def _problem(status: int, document: object, url: str) -> Problem:
    """What another server's error response means to this edge."""
    members = document if isinstance(document, dict) else {}
    detail = str(members.get("detail", f"{url} responded with {status}"))
    if status == 404:
        return NotFound(detail)
    if status == 451:
        return ResidencyDenied(detail, str(members.get("rule", "")))
    if status in _UNAVAILABLE:
        return Unavailable(detail)
    return BadGateway(detail)
