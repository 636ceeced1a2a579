"""`/v1/…`: passes a request on to the origin that answers for it, under this edge's name, and its answer back.

Both bodies are taken whole (a request's has at most 64 KiB), so that a request can be sent a second time, and an answer
that breaks off becomes a 502 rather than half a document. Only the fields listed here are passed on: a server takes
some fields for its own business (a gateway's SCRIPT_NAME moves the path), and would believe the edge that sends them.
"""

from edge import cache_status, routing
from edge.node_client import NodeClient, Reply
from edge.responses import Request, Response
from regions.errors import PROBLEM_JSON, BadGateway, HeadTooLarge, MethodNotAllowed
from regions.topology import Edge, Region, Topology

_PASSED_ON = frozenset(
    ("accept", "accept-language", "authorization", "content-type", "if-match", "if-none-match", "user-agent")
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
# Below what an origin's gunicorn takes (4,094 for the whole first line, 8,190 for a field): it refuses in HTML.
_MAX_TARGET_BYTES = 4000
_MAX_FIELD_BYTES = 8000


class Forward:
    """The API of every region, through the edge `edge`."""

    def __init__(self, topology: Topology, edge: Edge, calls: NodeClient) -> None:
        self._topology, self._edge, self._calls = topology, edge, calls

    def answer(self, request: Request) -> Response:
        """A HEAD as a GET. Raises NotFound for what is not public, MethodNotAllowed, HeadTooLarge, LoopDetected,
        Unavailable and BadGateway."""
        head = request.head
        routing.require_public(head.path)
        if head.method not in _METHODS:
            raise MethodNotAllowed(f"{head.method} is not a method of the API")
        if len(head.target) > _MAX_TARGET_BYTES:
            raise HeadTooLarge(f"the path and the query may have {_MAX_TARGET_BYTES} bytes")
        fields = self._fields(request)
        region = routing.region_for(self._topology, self._edge, head.path, request.field("authorization"))
        reply = self._ask(region, request, fields)
        if reply.status == 421:
            other = routing.misdirected_to(self._topology, reply.document(), region.name)
            reply = self._ask(other, request, fields) if other else reply
        if reply.status >= 400 and not _is_problem(reply):
            raise BadGateway(f"the origin of {region.name} answered {reply.status}, and did not say why")
        return self._answered(reply)

    def _ask(self, region: Region, request: Request, fields: dict[str, str]) -> Reply:
        method = "GET" if request.head.method == "HEAD" else request.head.method
        return self._calls.ask(method, region.origin + request.head.target, fields, request.body or None)

    def _fields(self, request: Request) -> dict[str, str]:
        """Those of the client's that the API reads, and the way that the request came."""
        said = routing.end_to_end(request.head.fields.items())
        passed = {name: value for name, value in said if name in _PASSED_ON}
        via = f"{request.field('via')}, 1.1 {self._edge.name}".removeprefix(", ")
        cdn_loop = routing.cdn_loop(request.field("cdn-loop"), self._edge.name)
        fields = {**passed, "Via": via, "CDN-Loop": cdn_loop}
        for name, value in fields.items():
            if len(f"{name}: {value}") > _MAX_FIELD_BYTES:
                raise HeadTooLarge(f"the field {name} may have {_MAX_FIELD_BYTES} bytes")
        return fields

    def _answered(self, reply: Reply) -> Response:
        passed = [
            (name, value)
            for name, value in routing.end_to_end(reply.fields)
            if name.lower() not in ("content-length", "date", "x-content-type-options")
        ]
        status = cache_status.to_field(self._edge.name, cache_status.Outcome("bypass"))
        own = [("Via", f"1.1 {self._edge.name}"), ("Cache-Status", status), ("X-Content-Type-Options", "nosniff")]
        if not any(name.lower() == "cache-control" for name, _ in passed):
            # What a token opens is for its owner, and changes.
            own.append(("Cache-Control", "no-store"))
        return Response(reply.status, passed + own, (reply.data,), len(reply.data))


def _is_problem(reply: Reply) -> bool:
    media_type = next((value for name, value in reply.fields if name.lower() == "content-type"), "")
    return media_type.partition(";")[0].strip().lower() == PROBLEM_JSON
