"""`/v1/…`: passes a request on to the origin that answers for it, under this edge's name, and its answer back.

Both bodies are taken whole (a request's has at most 64 KiB), so that a request can be sent a second time, and an answer
that breaks off becomes a 502 rather than half a document.
"""

from edge import cache_status, routing
from edge.answers import Answer, Request
from edge.calls import NODE_FIELD, Calls, Reply
from regions.errors import MethodNotAllowed
from regions.topology import Edge, Region, Topology

_NOT_PASSED_ON = frozenset(("host", "content-length", "expect", "cdn-loop", "via", NODE_FIELD.lower()))
_OURS = "darkroom-"
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


class Forward:
    """The API of every region, through the edge `edge`."""

    def __init__(self, topology: Topology, edge: Edge, calls: Calls) -> None:
        self._topology, self._edge, self._calls = topology, edge, calls

    def answer(self, request: Request) -> Answer:
        """Raises NotFound for what is not public, MethodNotAllowed, LoopDetected, Unavailable and BadGateway."""
        head = request.head
        routing.require_public(head.path)
        if head.method not in _METHODS:
            raise MethodNotAllowed(f"{head.method} is not a method of the API")
        fields = self._fields(request)
        region = routing.region_for(self._topology, self._edge, head.path, request.field("authorization"))
        reply = self._ask(region, request, fields)
        if reply.status == 421:
            other = routing.misdirected_to(self._topology, reply.document(), region.name)
            reply = self._ask(other, request, fields) if other else reply
        return self._answered(reply)

    def _ask(self, region: Region, request: Request, fields: dict[str, str]) -> Reply:
        return self._calls.ask(request.head.method, region.origin + request.head.target, fields, request.body or None)

    def _fields(self, request: Request) -> dict[str, str]:
        """The client's own, but for those by which servers know one another."""
        passed = {
            name: value
            for name, value in routing.end_to_end(request.head.fields.items())
            if name not in _NOT_PASSED_ON and not name.startswith(_OURS)
        }
        via = f"{request.field('via')}, 1.1 {self._edge.name}".removeprefix(", ")
        return {**passed, "Via": via, "CDN-Loop": routing.cdn_loop(request.field("cdn-loop"), self._edge.name)}

    def _answered(self, reply: Reply) -> Answer:
        passed = [
            (name, value)
            for name, value in routing.end_to_end(reply.fields)
            if name.lower() not in ("content-length", "date", "x-content-type-options")
        ]
        status = cache_status.to_field(self._edge.name, cache_status.Outcome("bypass"))
        own = [("Via", f"1.1 {self._edge.name}"), ("Cache-Status", status), ("X-Content-Type-Options", "nosniff")]
        return Answer(reply.status, passed + own, (reply.data,), len(reply.data))
