"""Offers: the lane of a photo's home region asks what it may store here, brings it, and takes it back.

Only the home of a photo may speak for it, and only of people whose class may have its home there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import falcon

from origin import fields
from origin.border.receiving import Receiver
from origin.context import Context
from regions import ids
from regions.border.bounds import MAX_AT_MS
from regions.border.offers import Offer, answer_document, parse_offer
from regions.errors import BadRequest, Forbidden
from regions.residency.statement import Kind

_AHEAD_MS = 10 * 60_000


class OffersResource:
    def __init__(self, context: Context, receiver: Receiver) -> None:
        self._context, self._receiver = context, receiver

    def on_put_offer(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        """What of the offer is there already, where to PUT the rest, and which rule refuses it."""
        with self._sent_by(request, photo_id) as home:
            response.media = answer_document(self._receiver.offered(self._offer(request, photo_id, home)))

    def on_put(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        """The same offer, once what was missing has been PUT: what is there is verified, and counts from now on."""
        with self._sent_by(request, photo_id) as home:
            response.media = answer_document(self._receiver.arrived(self._offer(request, photo_id, home)))

    def on_delete(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        with self._sent_by(request, photo_id):
            deleted_at_ms = fields.integer(fields.body(request), "deleted_at_ms", 0, MAX_AT_MS)
            response.media = {"again_at_ms": self._receiver.delete(photo_id, deleted_at_ms)}

    @contextmanager
    def _sent_by(self, request: falcon.Request, photo_id: str) -> Iterator[str]:
        """The photo's home, which sends this. Raises Unauthenticated, Forbidden, NotFound, Unavailable."""
        region = self._context.nodes.require(request, Kind.REGION)
        require_speaks_for(self._context, region, ids.PHOTO, photo_id)
        if ids.parse(ids.PHOTO, photo_id).at_ms > self._context.clock_ms() + _AHEAD_MS:
            # Feeds are in the order of ids: photos of the future would push all others out of them.
            raise BadRequest("the photo's id was made in the future")
        with self._context.slots.of(region):
            yield region

    def _offer(self, request: falcon.Request, photo_id: str, home: str) -> Offer:
        try:
            offer = parse_offer(fields.body(request), photo_id, home)
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"this is no offer: {error}") from error
        for owner_id in offer.owner_ids:
            require_speaks_for(self._context, home, ids.USER, owner_id)
        require_may_have_homes(self._context, home, offer.subject.residency_class)
        return offer


def require_speaks_for(context: Context, region: str, kind: str, public_id: str) -> None:
    """Raises Forbidden unless the id was made in that region, by the numbers that every statement has for it."""
    number = ids.parse(kind, public_id).region
    statements = context.rules.current().statements
    named = {found.name if (found := one.region_numbered(number)) else "" for one in statements}
    if named != {region} or region == context.region.name:
        raise Forbidden(f"{region} does not speak for {public_id}")


def require_may_have_homes(context: Context, region: str, residency_class: str) -> None:
    """Raises Forbidden unless people of the class may have their home there, by every statement."""
    for statement in context.rules.current().statements:
        found = statement.policy.classes.get(residency_class)
        if found is None or region not in {home.region for home in found.homes}:
            raise Forbidden(f"by the statement, no people of the class {residency_class} have their home in {region}")
