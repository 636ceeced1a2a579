"""What this region does with what another region's lane brings: decides, says where to PUT, verifies, keeps or erases.

A deletion may run at the same time, in any process, without a common lock. Two orders close the races.

- `offered` writes down until when a PUT may arrive, and then looks for a tombstone; `delete` writes the tombstone, and
  then reads until when one may arrive. So either no URL is given out, or the deletion is not confirmed before the last
  one has run out; the lane then asks again, and what has arrived meanwhile is erased too.
- `arrived` writes the metadata, and then looks for a tombstone; `delete` writes the tombstone, and then erases.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from origin.limiter import Limiter
from regions.border.offers import DELETED, AnsweredObject, ObjectState, Offer, OfferAnswer, OfferedObject
from regions.config import Stores
from regions.events.messages import photo_referenced
from regions.records import Tombstone
from regions.residency.audit import AuditTrail
from regions.residency.decide import Decision
from regions.residency.live import LiveRules
from regions.residency.policy import Action
from regions.stores import photo_objects
from regions.stores.objects import ObjectInfo

PUT_MS = 5 * 60_000
"""How long a signed PUT may be begun."""
PUT_LASTS_MS = 5 * 60_000
"""How long one that was begun may take."""
_FOLLOWERS_PAGE, _MAX_PAGES = 1, 32


class Receiver:
    """In the region `name`. Every method may be called again with the same, by any process."""

    def __init__(
        self, name: str, stores: Stores, rules: LiveRules, audit: AuditTrail, limiter: Limiter,
        clock_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._name, self._stores, self._rules, self._audit = name, stores, rules, audit
        self._limiter, self._clock_ms = limiter, clock_ms

    def offered(self, offer: Offer) -> OfferAnswer:
        """Raises Unavailable, TooManyRequests.

        Where nothing was expected and nothing is recorded, the store is not asked. If something is there nonetheless,
        from long ago, it is in the way of what is sent, and `arrived` looks at it.
        """
        decisions = self._decisions(offer)
        look = self._answered if self._may_have_come(offer.photo_id) else self._unseen
        objects = {one.variant: look(offer, one, decisions[one.action]) for one in offer.objects}
        missing = [one for one in offer.objects if objects[one.variant].state is ObjectState.MISSING]
        expires_at_ms = self._clock_ms() + PUT_MS
        if missing:
            self._limiter.take_bytes(offer.subject.home_region, sum(one.size_bytes for one in missing))
            self._stores.catalog.arrivals.expect(offer.photo_id, expires_at_ms + PUT_LASTS_MS)
        if self._is_deleted(offer.photo_id):
            return DELETED
        for one in missing:
            objects[one.variant] = self._with_put(offer.photo_id, one, objects[one.variant], expires_at_ms)
        return self._answer(offer, objects, decisions)

    def arrived(self, offer: Offer) -> OfferAnswer:
        """After the PUTs. What is there counts from now on: nothing of it did before. Raises Unavailable."""
        decisions = self._decisions(offer)
        objects = {one.variant: self._answered(offer, one, decisions[one.action]) for one in offer.objects}
        answer = self._answer(offer, objects, decisions)
        photos = self._stores.catalog.photos
        if offer.metadata and answer.metadata and photos.get(offer.photo_id) != offer.metadata:
            photos.put_replica_metadata(offer.metadata)
        if self._is_deleted(offer.photo_id):
            photo_objects.delete_all(self._stores.objects, offer.photo_id)
            return DELETED
        reference = offer.reference if answer.reference else None
        if (
            reference
            and self._is_followed(reference.owner_id)
            and self._limiter.may_refer(reference.owner_id, offer.photo_id)
        ):
            event = photo_referenced(offer.photo_id, reference.owner_id, reference.created_at_ms, self._clock_ms())
            self._stores.events.publish([event])
        return answer

    def delete(self, photo_id: str, deleted_at_ms: int) -> int | None:
        """Until when something of the photo may still arrive, so that the lane must ask again (Unix time); None: never.

        Needs no policy, because nothing may delay a deletion. Raises Unavailable.
        """
        catalog = self._stores.catalog
        # Without the owner's id, which did not cross the border.
        catalog.photos.delete(Tombstone(photo_id, "", deleted_at_ms), None)
        until_ms = catalog.arrivals.until(photo_id)
        photo_objects.delete_all(self._stores.objects, photo_id)
        return until_ms if until_ms is not None and until_ms > self._clock_ms() else None

    def _decisions(self, offer: Offer) -> Mapping[Action, Decision]:
        """This region's own, logged before anything is done. Raises Unavailable if nobody can tell at the moment."""
        actions = {one.action for one in offer.objects}
        actions |= {Action.REST_METADATA} if offer.metadata else set()
        actions |= {Action.REFERENCE} if offer.reference else set()
        rules = self._rules.current()
        return self._audit.decide_subject(rules, offer.photo_id, offer.subject, sorted(actions), self._name)

    def _may_have_come(self, photo_id: str) -> bool:
        catalog = self._stores.catalog
        return catalog.arrivals.until(photo_id) is not None or catalog.photos.get(photo_id) is not None

    def _unseen(self, offer: Offer, wanted: OfferedObject, decision: Decision) -> AnsweredObject:
        state = ObjectState.MISSING if decision.allowed else ObjectState.DENIED
        return AnsweredObject(state, decision.rule, decision.because)

    def _answered(self, offer: Offer, wanted: OfferedObject, decision: Decision) -> AnsweredObject:
        if not decision.allowed:
            return AnsweredObject(ObjectState.DENIED, decision.rule, decision.because)
        objects, key = self._stores.objects, wanted.key(offer.photo_id)
        info = objects.info(wanted.bucket, key)
        if info is not None and self._is(wanted, key, info):
            return AnsweredObject(ObjectState.STORED, decision.rule, decision.because)
        if info is not None:
            # Other bytes than those offered are no copy, and would be in the way, since a signed PUT replaces nothing.
            objects.delete(wanted.bucket, key)
        return AnsweredObject(ObjectState.MISSING, decision.rule, decision.because)

    def _is(self, wanted: OfferedObject, key: str, info: ObjectInfo) -> bool:
        """From a store that compares no SHA-256, the bytes are read before they count."""
        if info.size_bytes != wanted.size_bytes:
            return False
        if info.sha256 is not None:
            return info.sha256 == wanted.sha256
        computed = hashlib.sha256()
        with self._stores.objects.open(wanted.bucket, key) as chunks:
            for chunk in chunks:
                computed.update(chunk)
        return computed.hexdigest() == wanted.sha256

    def _with_put(
        self, photo_id: str, wanted: OfferedObject, answered: AnsweredObject, expires_at_ms: int
    ) -> AnsweredObject:
        info = ObjectInfo(
            wanted.key(photo_id), wanted.size_bytes, wanted.sha256, wanted.content_type, wanted.cache_control
        )
        return replace(answered, put=self._stores.objects.sign_put(wanted.bucket, info, expires_at_ms))

    def _answer(
        self, offer: Offer, objects: Mapping[str, AnsweredObject], decisions: Mapping[Action, Decision]
    ) -> OfferAnswer:
        metadata, reference = decisions.get(Action.REST_METADATA), decisions.get(Action.REFERENCE)
        return OfferAnswer(False, objects, bool(metadata and metadata.allowed), bool(reference and reference.allowed))

    def _is_deleted(self, photo_id: str) -> bool:
        return self._stores.catalog.tombstones.get(photo_id) is not None

    def _is_followed(self, owner_id: str) -> bool:
        """Whether anybody here may want the reference. Who follows from now on gets it by following."""
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            found, cursor = self._stores.catalog.follows.local_followers(owner_id, cursor, _FOLLOWERS_PAGE)
            if found:
                return True
            if cursor is None:
                return False
        return True
