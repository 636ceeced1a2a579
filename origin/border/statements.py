"""The statement that this region holds: other regions ask each second, edges with each request for tombstones."""

from collections.abc import Callable

import falcon

from origin.node_gate import NodeGate
from regions.errors import NotFound
from regions.residency import reports
from regions.residency.live import LiveRules
from regions.residency.statement import Kind
from regions.untrusted_text import SHA256

_ANY = (Kind.REGION, Kind.EDGE, Kind.WITNESS)


class StatementResource:
    """`history(hash)` is a statement that was in force once; it raises NotFound."""

    def __init__(self, nodes: NodeGate, rules: LiveRules, history: Callable[[str], str]) -> None:
        self._nodes, self._rules, self._history = nodes, rules, history

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The report of this region."""
        self._nodes.require(request, *_ANY)
        response.media = reports.to_document(self._rules.report())

    def on_get_signed(self, request: falcon.Request, response: falcon.Response, hash: str) -> None:
        """The signed text of a statement that is in force, pending, or was in force once."""
        self._nodes.require(request, *_ANY)
        if not SHA256.fullmatch(hash):
            raise NotFound("a statement is named by its hash")
        signed = self._rules.signed(hash) or self._history(hash)
        response.media = {"signed": signed}
