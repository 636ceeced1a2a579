"""Where images come from: a far edge asks the shield of the photo's home, and only the shield asks the origin.

The origin is asked for a grant, for the shield's place and the asker's; the bytes come straight from objects.
"""

from collections.abc import Callable
from urllib.parse import urlencode

import urllib3

from edge.flights import Arrival, Flights
from edge.grant_cache import GrantCache
from edge.grants import Granted, ImageMeta, Key, from_origin, from_shield, renewed, require_serve
from edge.node_client import Body, NodeClient, read_json
from regions.errors import BadGateway, NotFound, Problem, ResidencyDenied, Unavailable
from regions.topology import Edge, Region

_MAX_PROBLEM_BYTES = 16 * 1024
_AWAY = (502, 503, 504)


class Shield:
    """A shield, as a far edge asks it."""

    def __init__(self, shield: Edge, calls: NodeClient, known: GrantCache, clock_s: Callable[[], float]) -> None:
        self._url = shield.url
        self._calls, self._known, self._clock_s = calls, known, clock_s

    def fetch(self, key: Key, place: str, sha256: str | None) -> Arrival:
        """The image, or word that `sha256` is still right.

        Raises NotFound, ResidencyDenied, Unavailable and BadGateway.
        """
        url = f"{self._url}/p/{key.photo_id}/{key.size}.jpg"
        asked_at_s = self._clock_s()
        response = self._calls.open_shield(url, {"If-None-Match": f'"{sha256}"'} if sha256 else {})
        try:
            arrival = self._arrival(response, url, sha256, asked_at_s)
        except BaseException:
            response.close()
            raise
        self._known.learn(key, place, arrival.facts)
        return arrival

    def _arrival(self, response: urllib3.BaseHTTPResponse, url: str, sha256: str | None, asked_at_s: float) -> Arrival:
        behind = response.headers.get("Cache-Status", "")
        if response.status == 304 and sha256 is not None:
            response.drain_conn()
            facts = renewed(sha256, response.headers, asked_at_s)
            require_serve(facts)
            return Arrival(facts, 0, None, facts.grant.cache, behind)
        if response.status != 200:
            raise _problem(response, url)
        facts, size_bytes = from_shield(response.headers, asked_at_s)
        require_serve(facts)
        return Arrival(facts, size_bytes, Body(response, url, size_bytes), facts.grant.cache, behind)


class Origin:
    """A region's origin and objects, as its shield at `place` asks them."""

    def __init__(
        self,
        region: Region,
        place: str,
        calls: NodeClient,
        known: GrantCache,
        flights: Flights,
        clock_s: Callable[[], float],
    ) -> None:
        self._url, self._place = region.origin, place
        self._calls, self._known, self._flights, self._clock_s = calls, known, flights, clock_s

    def fetch(self, key: Key, place: str, sha256: str | None) -> Arrival:
        """The image for whoever asks from `place`, or word that `sha256` is still right. Raises as `Shield.fetch`."""
        granted = self._grant(key, place)
        facts, storable = granted.facts[place], granted.facts[self._place].grant.cache
        require_serve(facts)
        if facts.sha256 == sha256:
            return Arrival(facts, 0, None, storable)
        # Several edges may ask at once, each with a grant of its own; the bytes are fetched once for all.
        seat = self._flights.board((key, "bytes"), lambda: self._bytes(granted, facts), _forget)
        return Arrival(facts, granted.size_bytes, seat, storable)

    def _grant(self, key: Key, place: str) -> Granted:
        places = list(dict.fromkeys((self._place, place)))
        query = urlencode([("place", name) for name in places])
        asked_at_s = self._clock_s()
        reply = self._calls.ask("GET", f"{self._url}/v1/grants/{key.photo_id}/{key.size}?{query}", {})
        if reply.status != 200:
            raise _refusal(reply.status, reply.document(), self._url)
        granted = from_origin(reply.document(), places, asked_at_s)
        for name, facts in granted.facts.items():
            if facts.grant.serve:
                self._known.learn(key, name, facts)
        return granted

    def _bytes(self, granted: Granted, facts: ImageMeta) -> Arrival:
        response = self._calls.open_signed(granted.url)
        if response.status != 200:
            response.close()
            raise BadGateway(f"the objects answer {response.status}")
        return Arrival(facts, granted.size_bytes, Body(response, granted.url, granted.size_bytes))


def _forget(arrival: Arrival, body: bytes) -> None:
    """Those who ride in the flight keep the bytes, where they may."""


def _problem(response: urllib3.BaseHTTPResponse, url: str) -> Problem:
    data = b"".join(Body(response, url, _MAX_PROBLEM_BYTES))
    return _refusal(response.status, read_json(data), url)


def _refusal(status: int, document: object, url: str) -> Problem:
    """What another server's refusal means to us."""
    said = document if isinstance(document, dict) else {}
    detail = str(said.get("detail", f"{url} answers {status}"))
    if status == 404:
        return NotFound(detail)
    if status == 451:
        return ResidencyDenied(detail, str(said.get("rule", "")))
    if status in _AWAY:
        return Unavailable(detail)
    return BadGateway(detail)
