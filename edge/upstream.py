"""Where images come from: an edge asks the shield of the photo's home region, and only the shield asks the origin.

The shield asks the origin for a grant, for its own place and for the place of the edge that sent the request. The
bytes come straight from the region's object store.
"""

from collections.abc import Callable
from urllib.parse import urlencode

import urllib3

from edge.flights import FetchResult, Flights
from edge.grant_cache import GrantCache
from edge.grants import Key, OriginGrant, PlaceGrant, from_origin, from_shield, renewed, require_serve
from edge.node_client import NodeClient, StreamedBody, parse_json
from regions.errors import BadGateway, NotFound, Problem, ResidencyDenied, Unavailable
from regions.topology import Edge, Region

_MAX_PROBLEM_BYTES = 16 * 1024
_UNAVAILABLE = (502, 503, 504)


class ShieldUpstream:
    """A shield, for an edge that is not the shield itself."""

    def __init__(
        self, shield: Edge, node_client: NodeClient, grant_cache: GrantCache, clock_s: Callable[[], float]
    ) -> None:
        self._url = shield.url
        self._node_client, self._grant_cache, self._clock_s = node_client, grant_cache, clock_s

    def fetch(self, key: Key, place: str, sha256: str | None) -> FetchResult:
        """The image, or a result without chunks if `sha256` is still current.

        Raises NotFound, ResidencyDenied, Unavailable and BadGateway.
        """
        url = f"{self._url}/p/{key.photo_id}/{key.name}"
        requested_at_s = self._clock_s()
        response = self._node_client.open_shield(url, {"If-None-Match": f'"{sha256}"'} if sha256 else {})
        try:
            result = self._result(response, url, sha256, requested_at_s)
        except BaseException:
            response.close()
            raise
        self._grant_cache.put(key, place, result.grant)
        return result

    def _result(
        self, response: urllib3.BaseHTTPResponse, url: str, sha256: str | None, requested_at_s: float
    ) -> FetchResult:
        upstream_status = response.headers.get("Cache-Status", "")
        if response.status == 304 and sha256 is not None:
            response.drain_conn()
            grant = renewed(sha256, response.headers, requested_at_s)
            require_serve(grant)
            return FetchResult(grant, 0, None, grant.permission.cache, upstream_status)
        if response.status != 200:
            data = b"".join(StreamedBody(response, url, _MAX_PROBLEM_BYTES))
            raise _problem(response.status, parse_json(data), url)
        grant, size_bytes = from_shield(response.headers, requested_at_s)
        require_serve(grant)
        body = StreamedBody(response, url, size_bytes)
        return FetchResult(grant, size_bytes, body, grant.permission.cache, upstream_status)


class OriginUpstream:
    """A region's origin and object store, for the region's shield, which is at `place`."""

    def __init__(
        self,
        region: Region,
        place: str,
        node_client: NodeClient,
        grant_cache: GrantCache,
        flights: Flights,
        clock_s: Callable[[], float],
    ) -> None:
        self._url, self._place = region.origin, place
        self._node_client, self._grant_cache, self._flights, self._clock_s = node_client, grant_cache, flights, clock_s

    def fetch(self, key: Key, place: str, sha256: str | None) -> FetchResult:
        """The image for a request from `place`, or a result without chunks if `sha256` is still current.

        Raises as `ShieldUpstream.fetch`.
        """
        origin_grant = self._grant(key, place)
        grant, storable = origin_grant.by_place[place], origin_grant.by_place[self._place].permission.cache
        require_serve(grant)
        if grant.sha256 == sha256:
            return FetchResult(grant, 0, None, storable)
        # Several edges may request the image at once. Each needs a grant of its own, but one flight gets the bytes.
        # Its key has no place, unlike those of the flights in `images`, which call this. Those store the bytes.
        reader = self._flights.join((key, "bytes"), lambda: self._open_object(origin_grant, grant), _discard)
        return FetchResult(grant, origin_grant.size_bytes, reader, storable)

    def _grant(self, key: Key, place: str) -> OriginGrant:
        places = list(dict.fromkeys((self._place, place)))
        query = urlencode([("place", name) for name in places])
        requested_at_s = self._clock_s()
        url = f"{self._url}/v1/grants/{key.photo_id}/{key.name}?{query}"
        reply = self._node_client.request("GET", url, {})
        if reply.status != 200:
            raise _problem(reply.status, reply.json(), self._url)
        origin_grant = from_origin(reply.json(), places, requested_at_s)
        for name, grant in origin_grant.by_place.items():
            if grant.permission.serve:
                self._grant_cache.put(key, name, grant)
        return origin_grant

    def _open_object(self, origin_grant: OriginGrant, grant: PlaceGrant) -> FetchResult:
        response = self._node_client.open_signed(origin_grant.url)
        if response.status != 200:
            response.close()
            raise BadGateway(f"the object store responded with {response.status}")
        body = StreamedBody(response, origin_grant.url, origin_grant.size_bytes)
        return FetchResult(grant, origin_grant.size_bytes, body)


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
