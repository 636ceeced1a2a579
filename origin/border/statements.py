"""The statement that this region holds: other regions ask each second, edges with each request for tombstones."""

import falcon

from origin.context import Context
from regions.errors import NotFound
from regions.residency import reports
from regions.residency.settings_statement import from_history
from regions.residency.statement import Kind

_ANY = (Kind.REGION, Kind.EDGE, Kind.WITNESS)


class StatementResource:
    def __init__(self, context: Context) -> None:
        self._context = context

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The report of this region."""
        self._context.require_node(request, *_ANY)
        response.media = reports.to_document(self._context.rules.report())

    def on_get_signed(self, request: falcon.Request, response: falcon.Response, hash: str) -> None:
        """The signed text of a statement that is in force, pending, or was in force once."""
        self._context.require_node(request, *_ANY)
        if not reports.HASH.fullmatch(hash):
            raise NotFound("a statement is named by its hash")
        signed = self._context.rules.signed(hash) or from_history(self._context.stores.settings.values, hash)
        response.media = {"signed": signed}
