"""The event handlers of one lane: they read the state at home, decide, and talk to the destination's border.

Every handler may be called again with the same event, and by any number of processes at the same time.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from regions import ids
from regions.border.bounds import is_of_the_future
from regions.border.follows import Referenced
from regions.border.offers import AnsweredObject, ObjectState, Offer
from regions.config import Stores
from regions.errors import NotFound, Problem, ResidencyDenied, Unavailable, Unprocessable
from regions.events.messages import Event, is_again, photo_referenced
from regions.events.set_aside import TEN_MINUTES, NotYet
from regions.records import Photo
from regions.residency.audit import AuditTrail
from regions.residency.decide import Subject, subject_of
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.topology import Region
from replication.border import Border
from replication.placement import AT_REST, Decisions, offer_of, replica_of
from replication.transfer import Sender

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LaneHome:
    """A lane's own end. `rules()` are those that its statements make now, and `audit` logs what is decided by them."""

    region: Region
    stores: Stores
    rules: Callable[[], Rules]
    audit: AuditTrail

    def decide(self, record_id: str, subject: Subject, actions: Sequence[Action], place: str) -> Decisions:
        """Logged before it returns. Raises Unavailable also if nobody can tell now: then the event is retried."""
        return self.audit.decide_subject(self.rules(), record_id, subject, actions, place)


class LaneHandlers:
    """From the region `home` to the region `destination`."""

    def __init__(
        self, home: LaneHome, destination: Region, border: Border, sender: Sender, clock_ms: Callable[[], int]
    ) -> None:
        self._home, self._destination, self._border, self._sender = home, destination, border, sender
        self._clock_ms = clock_ms

    def handle_ready(self, event: Event) -> None:
        """Brings what may be stored at the destination, and a reference if the owner has followers there.

        Raises NotFound or Unprocessable for an object that the home does not have or that arrives corrupt, after it has
        brought the others; Unprocessable, before it brings anything, if the raw has no recorded SHA-256 to verify by.

        A deletion may run at the same time, in another process and without a common lock. It has an event of its own,
        written with the tombstone, which is not done before nothing can arrive at the destination any more; and the
        destination looks for its tombstone after all that arrived (`origin.border.receiving`). So this need not wait
        for it. It looks for the one at home: before, to save work, and after, so that what it has brought meanwhile
        does not lie there until the deletion asks again. If this process dies in between, its event is not committed,
        and the next delivery finds the tombstone.
        """
        photo_id = event.key
        if self._erased_if_deleted(photo_id):
            return
        try:
            self._replicate(photo_id, is_again(event))
        except Exception:
            # Its objects at home may be gone by now, and that is no error.
            if not self._erased_if_deleted(photo_id):
                raise
        else:
            self._erased_if_deleted(photo_id)

    def handle_deleted(self, event: Event) -> None:
        """Raises NotYet as long as something of the photo may still arrive there.

        Only the photo's id and the time of the deletion cross, not the owner's id. The home's record of the replica
        goes last: as long as it is there, the deletion is not confirmed.
        """
        photo_id = event.key
        if not self._border.delete(photo_id, event.at_ms):
            raise NotYet(f"something of {photo_id} may still arrive at {self._destination.name}", TEN_MINUTES)
        self._home.stores.catalog.replicas.remove(photo_id, self._destination.name)

    def handle_followed(self, event: Event) -> None:
        """If the author's home is the destination: tells it, and keeps references to the author's latest photos here.

        Both ends decide on the follow, which rests there, and on each reference, which rests here.
        """
        author_id, follower_id = str(event.body["author_id"]), str(event.body["follower_id"])
        if not event.body["following"] or ids.parse(ids.USER, author_id).region != self._destination.number:
            return
        catalog = self._home.stores.catalog
        follower = catalog.users.get(follower_id)
        if follower is None or follower.deleted_at_ms is not None:
            return
        if author_id not in catalog.follows.followed_among(follower_id, [author_id]):
            return
        say = self._home.decide(follower_id, subject_of(follower), [Action.SAY], self._destination.name)
        if not say[Action.SAY].allowed:
            return
        try:
            references = self._border.follow(follower.residency_class, author_id)
        except ResidencyDenied:
            # As if this end had decided so.
            return
        now_ms = self._clock_ms()
        events = [
            photo_referenced(one.photo_id, one.owner_id, one.created_at_ms, now_ms, follower_id)
            for one in references
            if not is_of_the_future(one.photo_id, now_ms) and self._may_rest_here(one)
        ]
        if events:
            self._home.stores.events.publish(events)

    def _may_rest_here(self, referenced: Referenced) -> bool:
        subject = Subject(referenced.residency_class, self._destination.name)
        made = self._home.decide(referenced.photo_id, subject, [Action.REFERENCE], self._home.region.name)
        return made[Action.REFERENCE].allowed

    def _replicate(self, photo_id: str, again: bool) -> None:
        photo = self._home.stores.catalog.photos.get(photo_id)
        if photo is None:
            raise NotFound(f"there is no photo {photo_id} at {self._home.region.name}")
        if not photo.is_public:
            return
        decisions = self._decide(photo, again)
        offer = offer_of(photo, decisions)
        if offer.is_empty:
            return
        answer = self._border.offer(offer)
        if answer.deleted:
            return
        errors = self._send(offer, answer.objects)
        arrived = self._border.arrived(offer)
        replica = replica_of(offer, decisions, arrived.objects, self._destination.name, self._clock_ms())
        if replica is not None and not arrived.deleted:
            self._home.stores.catalog.replicas.put(replica)
        if errors:
            raise errors[0]
        if any(one.state is ObjectState.MISSING for one in arrived.objects.values()):
            # Each PUT was taken. Bytes that changed on the way, or others that were there first, have been erased.
            raise Unprocessable(f"not all that was sent of {photo_id} has arrived whole at {self._destination.name}")

    def _decide(self, photo: Photo, again: bool) -> Decisions:
        """Whether the photo may be referred to is decided only if there is a follower who does not have it yet."""
        place, follows = self._destination.name, self._home.stores.catalog.follows
        is_awaited = not again and place in follows.follower_regions(photo.owner_id)
        actions = [*AT_REST, *([Action.REFERENCE] if is_awaited else [])]
        return self._home.decide(photo.photo_id, subject_of(photo), actions, place)

    def _send(self, offer: Offer, answered: Mapping[str, AnsweredObject]) -> list[Problem]:
        """Sends what is missing there; returns the errors. Goes on after one that concerns a single object.

        Whatever goes wrong, what has arrived is to count: the record and the reference do not wait for the raw.
        """
        errors, moved_bytes = list[Problem](), 0
        for wanted in offer.objects:
            put = answered[wanted.variant].put
            if put is None:
                continue
            try:
                self._sender.send(self._home.stores.objects, offer.photo_id, wanted, put)
                moved_bytes += wanted.size_bytes
            except Unavailable as error:
                errors.insert(0, error)
                break
            except Problem as error:
                errors.append(error)
        log.info("sent", extra={"photo_id": offer.photo_id, "moved_bytes": moved_bytes, "errors": len(errors)})
        return errors

    def _erased_if_deleted(self, photo_id: str) -> bool:
        """Whether the photo has a tombstone; if so, nothing that has arrived of it is at the destination now."""
        tombstone = self._home.stores.catalog.tombstones.get(photo_id)
        if tombstone is not None:
            self._border.delete(photo_id, tombstone.deleted_at_ms)
        return tombstone is not None
