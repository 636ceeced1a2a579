"""Which place makes a request: the one that proves it with a node token, and no other."""

from collections.abc import Callable
from dataclasses import dataclass

import falcon

from origin import fields
from regions import node_tokens
from regions.errors import Forbidden, Unauthenticated
from regions.node_tokens import Call
from regions.residency.live import LiveRules
from regions.residency.statement import Kind, Purpose


@dataclass(frozen=True, slots=True)
class NodeGate:
    """At the node `name`, by the keys that the statements list. `clock_ms()` is the Unix time."""

    name: str
    rules: LiveRules
    clock_ms: Callable[[], int]

    def requester(self, request: falcon.Request) -> str:
        """The edge or region that makes the request.

        Empty, which is an unknown place, if there is no token; Unauthenticated if there is one that is not valid.
        """
        if not hasattr(request.context, "node"):
            token = request.get_header(node_tokens.HEADER)
            request.context.node = self._proven(request, token) if token is not None else ""
        return str(request.context.node)

    def require(self, request: falcon.Request, *kinds: Kind) -> str:
        """The name of the place that makes the request. Raises Unauthenticated, Forbidden if it is of another kind."""
        name = self.requester(request)
        if not name:
            raise Unauthenticated(f"this is for servers; send {node_tokens.HEADER} with a token for this request")
        place = self.rules.current().place(name)
        if place is None or place.kind not in kinds:
            raise Forbidden(f"this is for places of the kind {' or '.join(kinds)}")
        return name

    def process_resource(
        self, request: falcon.Request, response: falcon.Response, resource: object, params: object
    ) -> None:
        """Before each handler: an identity that is there and not valid is refused, whatever the route."""
        self.requester(request)

    def presented_for(self, request: falcon.Request, presenter: str) -> str | None:
        """The edge whose token for this request the shield `presenter` shows; None if it shows none.

        Raises Unauthenticated.
        """
        token = request.get_header(node_tokens.GRANT_HEADER)
        return self._proven(request, token, presenter) if token is not None else None

    def _proven(self, request: falcon.Request, token: str, presenter: str = "") -> str:
        query = f"?{request.query_string}" if request.query_string else ""
        # A token to be shown is for a read.
        key = "" if presenter else request.get_header("Idempotency-Key") or ""
        call = Call(self.name, request.method, request.path + query, fields.raw_body(request), presenter, key)
        rules = self.rules.current()
        keys_of = lambda name: rules.public_keys(name, Purpose.NODE)  # noqa: E731
        return node_tokens.sender(token, call, keys_of, self.clock_ms() // 1000)
