"""The thin shell of one lane: looks at both ends, asks `lane` what to do, and does it.

Every handler may be called again with the same event, by any number of processes at once.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from regions import ids
from regions.config import Stores
from regions.errors import NotFound, Problem, Unavailable, Unprocessable
from regions.events.messages import Event
from regions.records import Photo, Status, Tombstone
from regions.residency.decide import decide, subject_of
from regions.residency.live import LivePolicy
from regions.residency.policy import Action, Policy
from regions.topology import Region
from replication import lane, placement, transfer
from replication.erasure import erase

log = logging.getLogger(__name__)

_LATEST_PHOTOS = 100
_AUDIT_LOOK = 50


@dataclass(frozen=True)
class End:
    """A region as one end of a lane. `policy` is as its own settings have it."""

    region: Region
    stores: Stores
    policy: LivePolicy

    def require_policy(self) -> Policy:
        """Raises Unavailable where no policy can be read, so that the event waits for one and nothing crosses."""
        policy = self.policy.current()
        if policy is None:
            raise Unavailable(f"{self.region.name} has no policy that can be read, so nothing crosses")
        return policy


class Lane:
    """From the region `home` to the region `destination`."""

    def __init__(self, home: End, destination: End, clock_ms: Callable[[], int]) -> None:
        self._home, self._destination, self._clock_ms = home, destination, clock_ms

    def ready(self, event: Event) -> None:
        """Copies what may lie at the destination, and refers to the photo where its owner has followers there.

        Raises NotFound or Unprocessable for an object that the home lacks or has spoiled; the others go all the same.
        """
        photo_id = event.key
        if self._bury_if_deleted(photo_id):
            return
        try:
            self._bring(photo_id)
        finally:
            # A deletion looks for copies after its tombstone, a copy for tombstones after its bytes:
            # so one of the two sees the other, however they meet.
            self._bury_if_deleted(photo_id)

    def deleted(self, event: Event) -> None:
        self._bury(Tombstone(event.key, "", event.at_ms))

    def followed(self, event: Event) -> None:
        """For authors whose home is the destination: notes the follower's region there, and fetches references.

        The region is noted first: a photo that becomes ready meanwhile is then either seen here, or sent by the
        lane that comes the other way.
        """
        author_id = str(event.body["author_id"])
        if not event.body["following"] or ids.parse(ids.USER, author_id).region != self._destination.region.number:
            return
        author_home, here = self._destination, self._home
        author_home.stores.catalog.follows.add_follower_region(author_id, here.region.name)
        photos = author_home.stores.catalog.photos.by_owner(author_id, None, _LATEST_PHOTOS)
        instructions = self._refer(str(event.body["follower_id"]), photos, author_home.require_policy())
        self._carry_out(instructions, author_home.stores, here.stores)

    def _refer(self, follower_id: str, photos: Sequence[Photo], policy: Policy) -> list[lane.Instruction]:
        at, catalog = self._home.region.place, self._destination.stores.catalog
        decided = [
            (
                photo,
                decide(policy, subject_of(photo), Action.REFERENCE, at),
                catalog.audit.latest(photo.photo_id, _AUDIT_LOOK),
            )
            for photo in photos
        ]
        return lane.on_followed(follower_id, decided, at, self._clock_ms())

    def _bring(self, photo_id: str) -> None:
        photo = self._home.stores.catalog.photos.get(photo_id)
        if photo is None:
            raise NotFound(f"there is no photo {photo_id} at {self._home.region.name}")
        if photo.status is Status.READY:
            instructions = lane.on_ready(self._see(photo), self._clock_ms())
            self._carry_out(instructions, self._home.stores, self._destination.stores)

    def _see(self, photo: Photo) -> lane.PhotoState:
        home, there, photo_id = self._home.stores, self._destination.stores, photo.photo_id
        placed = placement.place(self._home.require_policy(), photo, self._destination.region.place)
        expected = placement.objects_of(photo, placed)
        replicas = {replica.region: replica for replica in home.catalog.replicas.of_photo(photo_id)}
        return lane.PhotoState(
            photo,
            placed,
            [one for one in expected if not transfer.is_there(there.objects, one)],
            there.catalog.photos.get(photo_id),
            replicas.get(self._destination.region.name),
            self._destination.region.name in home.catalog.follows.follower_regions(photo.owner_id),
            home.catalog.audit.latest(photo_id, _AUDIT_LOOK),
        )

    def _bury_if_deleted(self, photo_id: str) -> bool:
        home, there = self._home.stores.catalog, self._destination.stores.catalog
        tombstone = home.tombstones.get(photo_id) or there.tombstones.get(photo_id)
        if tombstone is not None:
            self._bury(tombstone)
        return tombstone is not None

    def _bury(self, tombstone: Tombstone) -> None:
        instructions = lane.on_deleted(tombstone, self._destination.region.name)
        self._carry_out(instructions, self._home.stores, self._destination.stores)

    def _carry_out(self, instructions: Sequence[lane.Instruction], home: Stores, there: Stores) -> None:
        """`home` is the photo's. A spoiled object holds up nothing else, and is raised at the end."""
        spoiled: list[Problem] = []
        for instruction in instructions:
            if spoiled and isinstance(instruction, lane.RecordReplica):
                continue
            try:
                _do(instruction, home, there)
            except (NotFound, Unprocessable) as error:
                spoiled.append(error)
        if spoiled:
            raise spoiled[0]


def _do(instruction: lane.Instruction, home: Stores, there: Stores) -> None:
    match instruction:
        case lane.Audit(entries):
            home.catalog.audit.append(entries)
        case lane.CopyObject(expected):
            moved_bytes = transfer.copy(home.objects, there.objects, expected)
            log.info("copied", extra={"bucket": expected.bucket, "key": expected.key, "moved_bytes": moved_bytes})
        case lane.PutMetadata(photo):
            there.catalog.photos.put_replica_metadata(photo)
        case lane.RecordReplica(replica):
            home.catalog.replicas.put(replica)
        case lane.PublishReferences(events):
            there.events.publish(events)
        case lane.PutTombstone(tombstone):
            there.catalog.photos.delete(tombstone, None)
        case lane.EraseObjects(photo_id):
            erase(there.objects, photo_id)
        case lane.RemoveReplica(photo_id, region):
            home.catalog.replicas.remove(photo_id, region)
