"""The other end of a lane: another region's border API. Every answer is read within its bounds.

What a lane's threads ask at the same time goes together, in one request (`regions.group_commit`): a round trip between
regions is long, and each photo needs two.

Raises Unavailable while the region does not answer, ResidencyDenied for what its rules forbid, Unprocessable for what
else it refuses, BadGateway for an answer that is none.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from regions.border.batches import (
    MAX_BYTES,
    PROBLEM,
    batch_text,
    parse_answers,
    parse_detail,
    parse_problem,
    weight,
)
from regions.border.follows import Referenced, parse_references
from regions.border.offers import Offer, OfferAnswer, offer_document, parse_answer
from regions.border.records import SentRecord, parse_kept, record_document
from regions.errors import AWAY_STATUSES, BadGateway, Problem, ResidencyDenied, Unavailable, Unprocessable
from regions.group_commit import GroupCommit
from regions.region_client import RegionClient, RegionRequest
from regions.topology import Region

AT_ONCE = 4
"""Requests with batches: one of each kind."""
_WITHIN_S = 10.0
_WAIT_S = 3 * _WITHIN_S
"""For the batch that is under way, the one that waits, and this one."""
_MAX_REPLY_BYTES = 1 << 20

Parsed = TypeVar("Parsed")
Received = TypeVar("Received")


class Border:
    """That of one region, as the node of `client` asks it. Any number of threads may call it. Close it at the end."""

    def __init__(self, region: Region, client: RegionClient) -> None:
        self._region, self._client = region, client
        self._offers = self._batches("offers", "offers")
        self._arrivals = self._batches("arrivals", "offers")
        self._deletions = self._batches("deletions", "deletions")
        self._records = self._batches("records", "records")

    def offer(self, offer: Offer) -> OfferAnswer:
        return self._in_batch(self._offers, offer_document(offer), lambda answer: parse_answer(answer, offer))

    def arrived(self, offer: Offer) -> OfferAnswer:
        return self._in_batch(self._arrivals, offer_document(offer), lambda answer: parse_answer(answer, offer))

    def delete(self, photo_id: str, deleted_at_ms: int) -> bool:
        """Whether nothing of the photo can arrive there any more. If not, ask again in ten minutes.

        That is as long as anything may still arrive; when the region says so, its clock decides.
        """
        deletion = {"photo_id": photo_id, "deleted_at_ms": deleted_at_ms}
        return self._in_batch(self._deletions, deletion, lambda answer: answer["again_at_ms"] is None)

    def keep(self, record: SentRecord) -> int | None:
        """None if the record is kept there now, else the version of the one that is there instead."""
        return self._in_batch(self._records, record_document(record), parse_kept)

    def follow(self, residency_class: str, author_id: str) -> list[Referenced]:
        path, body = f"/border/v1/followers/{author_id}", {"residency_class": residency_class}
        return self._put(path, _text(body), lambda document: parse_references(document, author_id))

    def close(self) -> None:
        """Waits for what is under way. Idempotent."""
        for batches in (self._offers, self._arrivals, self._deletions, self._records):
            batches.close()

    def _batches(self, route: str, kind: str) -> "GroupCommit[bytes, Mapping[str, Any]]":
        return GroupCommit(partial(self._put_batch, route, kind), MAX_BYTES, _WAIT_S, f"{route} to a region", weight)

    def _put_batch(self, route: str, kind: str, items: Sequence[bytes]) -> list[dict[str, Any]]:
        return self._put(
            f"/border/v1/{route}", batch_text(kind, items), lambda document: parse_answers(document, len(items))
        )

    def _in_batch(
        self,
        batches: "GroupCommit[bytes, Mapping[str, Any]]",
        item: Mapping[str, Any],
        parse: Callable[[Mapping[str, Any]], Parsed],
    ) -> Parsed:
        answer = batches.commit(_text(item))
        if PROBLEM in answer:
            raise self._parsed(answer[PROBLEM], lambda problem: self._refused(*parse_problem(problem)))
        return self._parsed(answer, parse)

    def _put(self, path: str, body: bytes, parse: Callable[[Mapping[str, Any]], Parsed]) -> Parsed:
        region = self._region
        wanted = RegionRequest(region.name, region.origin, "PUT", path, body, _MAX_REPLY_BYTES)
        try:
            reply = self._client.start(wanted, _WITHIN_S).result(_WITHIN_S)
        except TimeoutError as error:
            raise Unavailable(f"{region.name} took too long") from error
        if reply.status != 200:
            raise self._refused(reply.status, _detail(reply.body))
        return self._parsed(reply.body, lambda text: parse(json.loads(text)))

    def _parsed(self, received: Received, parse: Callable[[Received], Parsed]) -> Parsed:
        try:
            return parse(received)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise BadGateway(f"{self._region.name} sent no valid answer") from error

    def _refused(self, status: int, detail: str) -> Problem:
        """What says that the region is away is Unavailable, and a 401, which comes from a clock or a key.

        All else is set aside: a defect there must not stop the events behind this one.
        """
        refusal = f"{self._region.name} answered {status}: {detail}"
        if status == 451:
            return ResidencyDenied(refusal, "")
        return Unavailable(refusal) if status in (401, *AWAY_STATUSES) else Unprocessable(refusal)


def _text(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _detail(body: bytes) -> str:
    """Of a problem document, whatever else it has: the status counts."""
    try:
        return parse_detail(json.loads(body))
    except (ValueError, KeyError, TypeError, RecursionError):
        return "without a reason"
