"""`/v1/…`: forwards a request to the right origin under this edge's own name, and returns the origin's response.

Both bodies are buffered whole (a request's has at most 64 KiB). So a request can be sent a second time, and a response
that breaks off becomes a 502 instead of half a document. Only the headers listed here are forwarded. Some servers
interpret headers of their own (a gateway's SCRIPT_NAME moves the path), and would trust them coming from an edge.
"""

from edge import cache_status, routing
from edge.node_client import NodeClient, Reply
from edge.responses import Request, Response
from regions.errors import PROBLEM_JSON, BadGateway, HeadTooLarge, MethodNotAllowed
from regions.topology import Edge, Region, Topology

_FORWARDED = frozenset(
    ("accept", "accept-language", "authorization", "content-type", "if-match", "if-none-match", "user-agent")
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
# Below the limits of an origin's gunicorn (4,094 for the request line, 8,190 for a header), whose errors are HTML.
_MAX_TARGET_BYTES = 4000
_MAX_HEADER_BYTES = 8000


class Forward:
    """The API of every region, through the edge `edge`."""

    def __init__(self, topology: Topology, edge: Edge, node_client: NodeClient) -> None:
        self._topology, self._edge, self._node_client = topology, edge, node_client

    def respond(self, request: Request) -> Response:
        """Handles a HEAD as a GET. Raises NotFound if the path is not public, MethodNotAllowed, HeadTooLarge,
        LoopDetected, Unavailable and BadGateway."""
        head = request.head
        routing.require_public(head.path)
        if head.method not in _METHODS:
            raise MethodNotAllowed(f"{head.method} is not a method of the API")
        if len(head.target) > _MAX_TARGET_BYTES:
            raise HeadTooLarge(f"the path and the query may have at most {_MAX_TARGET_BYTES} bytes")
        headers = self._headers(request)
        region = routing.region_for(self._topology, self._edge, head.path, request.header("authorization"))
        reply = self._send(region, request, headers)
        if reply.status == 421:
            other = routing.misdirected_to(self._topology, reply.json(), region.name)
            reply = self._send(other, request, headers) if other else reply
        if reply.status >= 400 and not _is_problem(reply):
            raise BadGateway(f"the origin of {region.name} responded with {reply.status} and no problem document")
        return self._to_response(reply)

    def _send(self, region: Region, request: Request, headers: dict[str, str]) -> Reply:
        method = "GET" if request.head.method == "HEAD" else request.head.method
        url = region.origin + request.head.target
        return self._node_client.request(region.name, method, url, headers, request.body or None)

    def _headers(self, request: Request) -> dict[str, str]:
        """The client's headers that the API reads, plus Via and CDN-Loop."""
        forwardable = routing.forwardable_headers(request.head.headers.items())
        forwarded = {name: value for name, value in forwardable if name in _FORWARDED}
        via = f"{request.header('via')}, 1.1 {self._edge.name}".removeprefix(", ")
        cdn_loop = routing.cdn_loop(request.header("cdn-loop"), self._edge.name)
        headers = {**forwarded, "Via": via, "CDN-Loop": cdn_loop}
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
