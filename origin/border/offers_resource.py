"""Offers: the lane of a photo's home region asks what it may store here, brings it, and takes it back.

Only the home of a photo may speak for it, and only of people whose class may have its home there.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import falcon

from origin import fields
from origin.border.batches import BatchThreads
from origin.border.receiving import Receiver
from origin.border.slots import RegionSlots
from origin.context import Context
from regions import ids
from regions.border import bounds
from regions.border.batches import MAX_ITEMS
from regions.border.offers import Offer, OfferAnswer, answer_document, parse_offer
from regions.errors import BadRequest, Forbidden
from regions.residency.statement import Kind

AnswerTo = Callable[[str, fields.Document], Mapping[str, Any]]


class OffersResource:
    """Each route takes many items of one region, within these slots, and answers each by itself, on these threads."""

    def __init__(self, context: Context, receiver: Receiver, slots: RegionSlots, threads: BatchThreads) -> None:
        self._context, self._receiver, self._slots, self._threads = context, receiver, slots, threads

    def on_put_offers(self, request: falcon.Request, response: falcon.Response) -> None:
        """What of each offer is there already, where to PUT the rest, and which rule refuses it."""
        self._answer(request, response, "offers", partial(self._offered, self._receiver.offered))

    def on_put_arrivals(self, request: falcon.Request, response: falcon.Response) -> None:
        """The same offers, once what was missing has been PUT: what is there is verified, and counts from now on."""
        self._answer(request, response, "offers", partial(self._offered, self._receiver.arrived))

    def on_put_deletions(self, request: falcon.Request, response: falcon.Response) -> None:
        self._answer(request, response, "deletions", self._deleted)

    def _answer(self, request: falcon.Request, response: falcon.Response, kind: str, answer: AnswerTo) -> None:
        region = self._context.nodes.require(request, Kind.REGION)
        items = fields.objects(fields.body(request), kind, MAX_ITEMS)
        with self._slots.of(region):
            self._context.limiter.take(request, response, region=region, count=len(items))
            response.media = self._threads.answered(region, request.path, items, partial(answer, region))

    def _offered(
        self, receive: Callable[[Offer], OfferAnswer], region: str, item: fields.Document
    ) -> Mapping[str, Any]:
        try:
            offer = parse_offer(item, region)
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"this is no offer: {error}") from error
        self._require_home(region, offer.photo_id)
        for owner_id in offer.owner_ids:
            require_speaks_for(self._context, region, ids.USER, owner_id)
        require_may_have_homes(self._context, region, offer.subject.residency_class)
        return answer_document(receive(offer))

    def _deleted(self, region: str, item: fields.Document) -> Mapping[str, Any]:
        try:
            photo_id, deleted_at_ms = bounds.id_of(ids.PHOTO, item["photo_id"]), bounds.at_ms(item["deleted_at_ms"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"this is no deletion: {error}") from error
        self._require_home(region, photo_id)
        return {"again_at_ms": self._receiver.delete(photo_id, deleted_at_ms)}

    def _require_home(self, region: str, photo_id: str) -> None:
        """Raises Forbidden, BadRequest."""
        require_speaks_for(self._context, region, ids.PHOTO, photo_id)
        if bounds.is_of_the_future(photo_id, self._context.clock_ms()):
            raise BadRequest("the photo's id was made in the future")


def require_speaks_for(context: Context, region: str, kind: str, public_id: str) -> None:
    """Raises Forbidden unless the id was made in that region, by the numbers that every statement has for it."""
    if stated_home(context, kind, public_id) != region or region == context.region.name:
        raise Forbidden(f"{region} does not speak for {public_id}")


def stated_home(context: Context, kind: str, public_id: str) -> str:
    """The region in which the id was made, by every statement; "" if they have none of its number, or differ."""
    number = ids.parse(kind, public_id).region
    statements = context.rules.current().statements
    named = {found.name if (found := one.region_numbered(number)) else "" for one in statements}
    return named.pop() if len(named) == 1 else ""


def require_may_have_homes(context: Context, region: str, residency_class: str) -> None:
    """Raises Forbidden unless people of the class may have their home there, by every statement."""
    for statement in context.rules.current().statements:
        found = statement.policy.classes.get(residency_class)
        if found is None or region not in {home.region for home in found.homes}:
            raise Forbidden(f"by the statement, no people of the class {residency_class} have their home in {region}")
