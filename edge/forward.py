"""`/v1/…`: forwards a request to the right origin under this edge's own name, and returns the origin's response.

Both bodies are buffered whole (a request's has at most 64 KiB). So a request can be sent a second time, and a response
that breaks off becomes a 502 instead of half a document. Only the headers listed here are forwarded. Some servers
interpret headers of their own (a gateway's SCRIPT_NAME moves the path), and would trust them coming from an edge.
"""

import secrets
from dataclasses import replace
from functools import partial

from edge import account_routes, cache_status, responses, routing
from edge.first_answer import first_answer
from edge.node_client import NodeClient, Reply
from edge.responses import Request, Response
from regions import node_tokens
from regions.errors import (
    PROBLEM_JSON,
    BadGateway,
    BadRequest,
    HeadTooLarge,
    MethodNotAllowed,
    Misdirected,
    Problem,
    Unavailable,
)
from regions.topology import Edge, Region, Topology

_FORWARDED = frozenset(
    ("accept", "accept-language", "authorization", "content-type", "if-match", "if-none-match", "user-agent",
     "idempotency-key")
)  # fmt: skip
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
# So that the whole head stays below the limit of an origin's web server, 32 KiB.
_MAX_TARGET_BYTES = 4000
_MAX_HEADER_BYTES = 8000
_HOMES = "/v1/homes"
# Every region knows all homes. Each has so long to say so, and the next one is asked after a small part of that, so
# that a stalled region, or several, delay no sign-up by more than a second.
_HOMES_S, _PATIENCE_S = 3.0, 0.3
_UNAVAILABLE = (502, 503, 504)


class Forward:
    """The API of every region, through the edge `edge`."""

    def __init__(self, topology: Topology, edge: Edge, node_client: NodeClient) -> None:
        self._topology, self._edge, self._node_client = topology, edge, node_client

    def respond(self, request: Request) -> Response:
        """Handles a HEAD as a GET. Raises NotFound if the path is not public, MethodNotAllowed, HeadTooLarge,
        LoopDetected, Unavailable and BadGateway."""
        head = request.head
        routing.require_public(head.path)
        if account_routes.is_account(head.method, head.path):
            return self._account(request)
        return self._forwarded(request)

    def _account(self, request: Request) -> Response:
        """As above, but only as the shield of the account's home. Raises Misdirected, also BadRequest."""
        if request.head.method == "OPTIONS":
            return Response(204, account_routes.CORS, (), 0)
        try:
            region = self._account_region(request)
            response = self._forwarded(request, region)
        except Problem as problem:
            # So that a page of another edge can read what is wrong, and where to go.
            return responses.from_problem(problem, *account_routes.CORS[1:])
        others = [(name, value) for name, value in response.headers if not name.startswith("Access-Control-")]
        return replace(response, headers=[*others, *account_routes.CORS])

    def _account_region(self, request: Request) -> Region:
        """Raises Misdirected before anything of the request goes any further, unless this is the home's shield."""
        home = account_routes.home(self._topology, request.head.path, request.body)
        home = home or self._home_of_country(account_routes.country(request.body))
        if self._edge.shield_of != home:
            raise Misdirected(home, self._topology.shield_of(home).url)
        return self._topology.regions[home]

    def _home_of_country(self, country: str) -> str:
        """The home of people from a country, as an origin knows from the policy. Raises BadRequest, Unavailable."""
        reply = self._homes(f"{_HOMES}?country={country}", {})
        document = reply.json()
        if reply.status == 200 and isinstance(document, dict) and document.get("region") in self._topology.regions:
            return str(document["region"])
        detail = str(document.get("detail", "")) if isinstance(document, dict) else ""
        if reply.status == 400:
            raise BadRequest(detail)
        raise Unavailable(detail or f"no region says where people of {country} live")

    def _homes(self, target: str, headers: dict[str, str]) -> Reply:
        """Of the first region that says where homes are, the nearest one first. Raises Unavailable, BadGateway."""
        nearest = self._topology.regions_by_distance(self._edge.latitude, self._edge.longitude)
        # A shield's own region is as near as can be, wherever the topology says that it is.
        regions = sorted(nearest, key=lambda region: region.name != self._edge.shield_of)
        return first_answer([partial(self._ask_homes, region, target, headers) for region in regions], _PATIENCE_S)

    def _ask_homes(self, region: Region, target: str, headers: dict[str, str]) -> Reply:
        url = region.origin + target
        reply = self._node_client.request(region.name, "GET", url, headers, within_s=_HOMES_S)
        if reply.status in _UNAVAILABLE:
            document = reply.json()
            detail = document.get("detail") if isinstance(document, dict) else None
            raise Unavailable(str(detail or f"{region.name} responded with {reply.status}"))
        return reply

    def _forwarded(self, request: Request, home: Region | None = None) -> Response:
        """By the origin of `home` alone, or of the region that the request is for; by any, if any can answer."""
        head = request.head
        if head.method not in _METHODS:
            raise MethodNotAllowed(f"{head.method} is not a method of the API")
        if len(head.target) > _MAX_TARGET_BYTES:
            raise HeadTooLarge(f"the path and the query may have at most {_MAX_TARGET_BYTES} bytes")
        headers = self._headers(request)
        if head.method == "POST":
            # Who records the request can't have its effect a second time.
            headers.setdefault("idempotency-key", secrets.token_urlsafe(16))
        reply = self._reply(request, headers, home)
        if reply.status >= 400 and not _is_problem(reply):
            raise BadGateway(f"an origin responded with {reply.status} and no problem document")
        return self._to_response(reply)

    def _reply(self, request: Request, headers: dict[str, str], home: Region | None) -> Reply:
        head = request.head
        if head.path == _HOMES and head.method in ("GET", "HEAD"):
            # Any region may answer, and none gets a token that is for another one.
            return self._homes(head.target, {name: headers[name] for name in headers if name != "authorization"})
        region = home or routing.region_for(self._topology, self._edge, head.path, request.header("authorization"))
        reply = self._send(region, request, headers)
        if reply.status == 421 and home is None:
            other = routing.misdirected_to(self._topology, reply.json(), region.name)
            reply = self._send(other, request, headers) if other else reply
        return reply

    def _send(self, region: Region, request: Request, headers: dict[str, str]) -> Reply:
        method = "GET" if request.head.method == "HEAD" else request.head.method
        url = region.origin + request.head.target
        return self._node_client.request(region.name, method, url, headers, request.body or None)

    def _headers(self, request: Request) -> dict[str, str]:
        """The client's headers that the API reads, plus Via, CDN-Loop and the client's address."""
        forwardable = routing.forwardable_headers(request.head.headers.items())
        forwarded = {name: value for name, value in forwardable if name in _FORWARDED}
        via = f"{request.header('via')}, 1.1 {self._edge.name}".removeprefix(", ")
        cdn_loop = routing.cdn_loop(request.header("cdn-loop"), self._edge.name)
        headers = {**forwarded, "Via": via, "CDN-Loop": cdn_loop, node_tokens.CLIENT_HEADER: request.client}
        for name, value in headers.items():
            if len(f"{name}: {value}") > _MAX_HEADER_BYTES:
                raise HeadTooLarge(f"the header {name} may have at most {_MAX_HEADER_BYTES} bytes")
        return headers

    def _to_response(self, reply: Reply) -> Response:
        forwarded = [
            (name, value)
            for name, value in routing.forwardable_headers(reply.headers)
            if name.lower() not in ("content-length", "date", "x-content-type-options")
        ]
        status = cache_status.to_header(self._edge.name, cache_status.Outcome("bypass"))
        added = [("Via", f"1.1 {self._edge.name}"), ("Cache-Status", status), ("X-Content-Type-Options", "nosniff")]
        if not any(name.lower() == "cache-control" for name, _ in forwarded):
            # The response may be private to the token's owner, and it changes over time.
            added.append(("Cache-Control", "no-store"))
        return Response(reply.status, forwarded + added, (reply.body,), len(reply.body))


def _is_problem(reply: Reply) -> bool:
    media_type = next((value for name, value in reply.headers if name.lower() == "content-type"), "")
    return media_type.partition(";")[0].strip().lower() == PROBLEM_JSON
