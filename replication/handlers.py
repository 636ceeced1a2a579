"""The event handlers of one lane: they read the state at both ends, and execute the instructions that follow from it.

Every handler may be called again with the same event, and by any number of processes at the same time.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from regions import ids
from regions.config import Stores
from regions.errors import NotFound, Problem, Unavailable, Unprocessable
from regions.events.messages import Event, is_again
from regions.records import Photo, Tombstone
from regions.residency.decide import decide, subject_of
from regions.residency.live import LivePolicy
from regions.residency.policy import Action, Policy
from regions.stores import photo_objects
from regions.stores.feeds import BACKFILL
from regions.topology import Region
from replication import instructions, transfer
from replication.placement import expected_objects, placement_of

log = logging.getLogger(__name__)

_AUDIT_TAIL = 50
"""How many of a photo's latest audit entries are read, to find out which decisions are recorded already."""


@dataclass(frozen=True)
class LaneEnd:
    """A region as one end of a lane. `policy` is the one in its own settings."""

    region: Region
    stores: Stores
    policy: LivePolicy

    def require_policy(self) -> Policy:
        """Raises Unavailable if no policy can be read: then nothing crosses, and the event is retried until one can."""
        policy = self.policy.current().policy
        if policy is None:
            raise Unavailable(f"{self.region.name} has no policy that can be read, so nothing crosses")
        return policy


class LaneHandlers:
    """From the region `home` to the region `destination`."""

    def __init__(self, home: LaneEnd, destination: LaneEnd, clock_ms: Callable[[], int]) -> None:
        self._home, self._destination, self._clock_ms = home, destination, clock_ms

    def handle_ready(self, event: Event) -> None:
        """Copies what may be stored at the destination, and publishes a reference if the owner has followers there.

        Raises NotFound or Unprocessable for an object that the home does not have or that is corrupt, after it has
        copied the others; Unprocessable, before it copies anything, if the raw has no recorded SHA-256 to verify by.

        A deletion may run at the same time, in another process and without a common lock. So this checks for a
        tombstone twice. The first check only saves work. The second one, after the last object, closes the
        race. It depends on the destination's tombstone, which the deletion writes before it erases there. The one at
        home only saves work.

        - The tombstone is written before the second check. Then this finds it, and erases what it has copied.
        - The tombstone is written after the second check. Then all copies are already stored, and the deletion, which
          erases after that, finds them.

        The second check also runs if copying fails. If this process dies before it, its event is not committed, and
        the next delivery finds the tombstone in the first check.
        """
        photo_id = event.key
        if self._delete_if_tombstoned(photo_id):
            return
        try:
            self._replicate(photo_id, is_again(event))
        finally:
            self._delete_if_tombstoned(photo_id)

    def handle_deleted(self, event: Event) -> None:
        self._delete_at_destination(Tombstone(event.key, "", event.at_ms))

    def handle_followed(self, event: Event) -> None:
        """If the author's home is the destination: records the follower's region there, and fetches references.

        The lane's `home` is the follower's here, so the references go from the destination to the home.

        The order closes a race with a photo that becomes ready meanwhile. The region is recorded before the photos are
        listed. So either the photo is ready before the listing, which then contains it, or the lane from the author's
        home to the follower's handles its `photo_ready` after the region was recorded, and publishes the reference.
        """
        author_id = str(event.body["author_id"])
        if not event.body["following"] or ids.parse(ids.USER, author_id).region != self._destination.region.number:
            return
        author_home, follower_home = self._destination, self._home
        author_home.stores.catalog.follows.add_follower_region(author_id, follower_home.region.name)
        photos = author_home.stores.catalog.photos.by_owner(author_id, None, BACKFILL)
        policy, place = author_home.require_policy(), follower_home.region.place
        audit = author_home.stores.catalog.audit
        decided, now_ms = [], self._clock_ms()
        for photo in photos:
            decision = decide(policy, subject_of(photo), Action.REFERENCE, place, now_ms)
            decided.append((photo, decision, audit.latest(photo.photo_id, _AUDIT_TAIL)))
        steps = instructions.on_followed(str(event.body["follower_id"]), decided, place, now_ms)
        _execute_all(steps, author_home.stores, follower_home.stores)

    def _replicate(self, photo_id: str, again: bool) -> None:
        photo = self._home.stores.catalog.photos.get(photo_id)
        if photo is None:
            raise NotFound(f"there is no photo {photo_id} at {self._home.region.name}")
        if photo.is_public:
            steps = instructions.on_ready(self._read_state(photo, again), self._clock_ms())
            _execute_all(steps, self._home.stores, self._destination.stores)

    def _read_state(self, photo: Photo, again: bool) -> instructions.PhotoState:
        home, destination, photo_id = self._home.stores, self._destination.stores, photo.photo_id
        placement = placement_of(self._home.require_policy(), photo, self._destination.region.place, self._clock_ms())
        expected = expected_objects(photo, placement)
        replicas = {replica.region: replica for replica in home.catalog.replicas.of_photo(photo_id)}
        return instructions.PhotoState(
            photo,
            placement,
            [one for one in expected if not transfer.is_stored(destination.objects, one)],
            destination.catalog.photos.get(photo_id),
            replicas.get(self._destination.region.name),
            not again and self._destination.region.name in home.catalog.follows.follower_regions(photo.owner_id),
            home.catalog.audit.latest(photo_id, _AUDIT_TAIL),
        )

    def _delete_if_tombstoned(self, photo_id: str) -> bool:
        """Whether the photo has a tombstone at either end; if so, nothing of it is at the destination any more."""
        home, destination = self._home.stores.catalog, self._destination.stores.catalog
        tombstone = home.tombstones.get(photo_id) or destination.tombstones.get(photo_id)
        if tombstone is not None:
            self._delete_at_destination(tombstone)
        return tombstone is not None

    def _delete_at_destination(self, tombstone: Tombstone) -> None:
        steps = instructions.on_deleted(tombstone, self._destination.region.name)
        _execute_all(steps, self._home.stores, self._destination.stores)


def _execute_all(steps: Sequence[instructions.Instruction], home: Stores, destination: Stores) -> None:
    """Continues after NotFound or Unprocessable, but skips RecordReplica then; raises the first error at the end.

    `home` are the stores of the photo's home.
    """
    errors: list[Problem] = []
    for instruction in steps:
        if errors and isinstance(instruction, instructions.RecordReplica):
            continue
        try:
            _execute(instruction, home, destination)
        except (NotFound, Unprocessable) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _execute(instruction: instructions.Instruction, home: Stores, destination: Stores) -> None:
    match instruction:
        case instructions.Audit(entries):
            home.catalog.audit.append(entries)
        case instructions.CopyObject(expected):
            moved_bytes = transfer.copy(home.objects, destination.objects, expected)
            log.info("copied", extra={"bucket": expected.bucket, "key": expected.key, "moved_bytes": moved_bytes})
        case instructions.PutMetadata(photo):
            destination.catalog.photos.put_replica_metadata(photo)
        case instructions.RecordReplica(replica):
            home.catalog.replicas.put(replica)
        case instructions.PublishReferences(events):
            destination.events.publish(events)
        case instructions.PutTombstone(tombstone):
            destination.catalog.photos.delete(tombstone, None)
        case instructions.EraseObjects(photo_id):
            photo_objects.delete_all(destination.objects, photo_id)
        case instructions.RemoveReplica(photo_id, region):
            home.catalog.replicas.remove(photo_id, region)
