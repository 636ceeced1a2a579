"""The other end of a lane: another region's border API. Every answer is read within its bounds.

Raises Unavailable while the region does not answer, ResidencyDenied for what its rules forbid, Unprocessable for what
else it refuses, BadGateway for an answer that is none.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from regions.border.follows import Referenced, parse_references
from regions.border.offers import Offer, OfferAnswer, offer_document, parse_answer
from regions.errors import BadGateway, Problem, ResidencyDenied, Unavailable, Unprocessable
from regions.region_client import RegionClient, RegionRequest
from regions.topology import Region

_WITHIN_S = 10.0
_MAX_REPLY_BYTES = 1 << 20
_MAX_DETAIL_CHARS = 500
_AWAY = (401, 408, 429, 502, 503, 504)

Parsed = TypeVar("Parsed")


class Border:
    """That of one region, as the node of `client` asks it. Any number of threads may call it."""

    def __init__(self, region: Region, client: RegionClient) -> None:
        self._region, self._client = region, client

    def offer(self, offer: Offer) -> OfferAnswer:
        path = f"/border/v1/photos/{offer.photo_id}/offer"
        return self._put(path, offer_document(offer), lambda document: parse_answer(document, offer))

    def arrived(self, offer: Offer) -> OfferAnswer:
        path = f"/border/v1/photos/{offer.photo_id}"
        return self._put(path, offer_document(offer), lambda document: parse_answer(document, offer))

    def delete(self, photo_id: str, deleted_at_ms: int) -> bool:
        """Whether nothing of the photo can arrive there any more. If not, ask again in ten minutes.

        That is as long as anything may still arrive; when the region says so, its clock decides.
        """
        path, body = f"/border/v1/photos/{photo_id}", {"deleted_at_ms": deleted_at_ms}
        return self._ask("DELETE", path, body, lambda document: document["again_at_ms"] is None)

    def follow(self, residency_class: str, author_id: str) -> list[Referenced]:
        path, body = f"/border/v1/followers/{author_id}", {"residency_class": residency_class}
        return self._put(path, body, lambda document: parse_references(document, author_id))

    def _put(self, path: str, body: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], Parsed]) -> Parsed:
        return self._ask("PUT", path, body, parse)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], Parsed]
    ) -> Parsed:
        region = self._region
        text = json.dumps(body, separators=(",", ":")).encode()
        wanted = RegionRequest(region.name, region.origin, method, path, text, _MAX_REPLY_BYTES)
        try:
            reply = self._client.start(wanted, _WITHIN_S).result(_WITHIN_S)
        except TimeoutError as error:
            raise Unavailable(f"{region.name} took too long") from error
        if reply.status != 200:
            raise self._refused(reply.status, reply.body)
        try:
            return parse(json.loads(reply.body))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise BadGateway(f"{region.name} sent no valid answer") from error

    def _refused(self, status: int, body: bytes) -> Problem:
        """What says that the region is away is Unavailable, and a 401, which comes from a clock or a key.

        All else is set aside: a defect there must not stop the events behind this one.
        """
        try:
            detail = str(json.loads(body)["detail"])[:_MAX_DETAIL_CHARS]
        except (ValueError, KeyError, TypeError, RecursionError):
            detail = "without a reason"
        refusal = f"{self._region.name} answered {status}: {detail}"
        if status == 451:
            return ResidencyDenied(refusal, "")
        return Unavailable(refusal) if status in _AWAY else Unprocessable(refusal)
