"""What a lane does about an event: what it sees goes in, instructions come out, in the order they must be done.

Pure: knows no store and no clock. Two laws hold whatever the order of events, crashes and repeats, as long as
whoever carries out `on_ready` looks for a tombstone once more afterwards and then does `on_deleted`: a tombstone
wins, and what is done already is not done again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from regions.events.messages import Event, photo_referenced
from regions.records import AuditEntry, Photo, Replica, Tombstone
from regions.residency.audit import entries_of, new_entries
from regions.residency.decide import Decision
from regions.residency.policy import Action
from regions.topology import Place
from replication.placement import ExpectedObject, Placement


@dataclass(frozen=True, slots=True)
class PhotoState:
    """What a lane sees of one photo that is ready and has no tombstone, and what came of it so far.

    `lacking` are the objects that may lie at the destination and do not yet; `copy` is the metadata there;
    `followed` says whether the owner has followers there; `audited` is the end of the photo's audit log.
    """

    photo: Photo
    placement: Placement
    lacking: Sequence[ExpectedObject]
    copy: Photo | None
    replica: Replica | None
    followed: bool
    audited: Sequence[AuditEntry]


@dataclass(frozen=True, slots=True)
class Audit:
    """Write these on the audit log of the photo's home, before anything else is done."""

    entries: Sequence[AuditEntry]


@dataclass(frozen=True, slots=True)
class CopyObject:
    expected: ExpectedObject


@dataclass(frozen=True, slots=True)
class PutMetadata:
    photo: Photo


@dataclass(frozen=True, slots=True)
class RecordReplica:
    """To be skipped where an object could not be copied."""

    replica: Replica


@dataclass(frozen=True, slots=True)
class PublishReferences:
    """Publish these in the event log of the followers' region."""

    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class PutTombstone:
    tombstone: Tombstone


@dataclass(frozen=True, slots=True)
class EraseObjects:
    photo_id: str


@dataclass(frozen=True, slots=True)
class RemoveReplica:
    """The home's sign that the destination has confirmed the deletion."""

    photo_id: str
    region: str


Instruction = (
    Audit | CopyObject | PutMetadata | RecordReplica | PublishReferences | PutTombstone | EraseObjects | RemoveReplica
)


def on_ready(seen: PhotoState, at_ms: int) -> list[Instruction]:
    """Brings what may come. The reference goes last, so that a feed that shows the photo finds what may lie there."""
    placement = seen.placement
    instructions: list[Instruction] = [CopyObject(expected) for expected in seen.lacking]
    if placement.metadata.allowed and seen.copy != seen.photo:
        instructions.append(PutMetadata(seen.photo))
    replica = _replica(seen.photo, placement, at_ms)
    if replica is not None and not _is_recorded(replica, seen.replica):
        instructions.append(RecordReplica(replica))
    decided = dict(placement.at_rest)
    if seen.followed:
        decided[Action.REFERENCE] = placement.reference
        if placement.reference.allowed:
            instructions.append(PublishReferences([_reference(seen.photo, at_ms)]))
    entries = new_entries(entries_of(seen.photo.photo_id, placement.place, decided, at_ms), seen.audited)
    return [*([Audit(entries)] if entries else []), *instructions]


def on_deleted(tombstone: Tombstone, destination: str) -> list[Instruction]:
    """Asks no policy, since nothing may hold a deletion up; therefore only the photo's id travels, not its owner's."""
    photo_id = tombstone.photo_id
    return [PutTombstone(replace(tombstone, owner_id="")), EraseObjects(photo_id), RemoveReplica(photo_id, destination)]


def on_followed(
    follower_id: str, photos: Sequence[tuple[Photo, Decision, Sequence[AuditEntry]]], place: Place, at_ms: int
) -> list[Instruction]:
    """References for a new follower at a place: each photo with its decision and the end of its audit log."""
    entries = [
        entry
        for photo, decision, audited in photos
        for entry in new_entries(entries_of(photo.photo_id, place, {Action.REFERENCE: decision}, at_ms), audited)
    ]
    events = [_reference(photo, at_ms, follower_id) for photo, decision, _ in photos if decision.allowed]
    return [*([Audit(entries)] if entries else []), *([PublishReferences(events)] if events else [])]


def _replica(photo: Photo, placement: Placement, at_ms: int) -> Replica | None:
    raw, variants = placement.raw, placement.variants
    allowing = [decision for decision in (raw, variants) if decision.allowed]
    if not allowing:
        return None
    rule = ", ".join(dict.fromkeys(decision.rule for decision in allowing))
    version = allowing[0].policy_version
    return Replica(photo.photo_id, placement.place.name, raw.allowed, variants.allowed, rule, version, at_ms)


def _is_recorded(replica: Replica, recorded: Replica | None) -> bool:
    return recorded is not None and replace(recorded, at_ms=replica.at_ms) == replica


def _reference(photo: Photo, at_ms: int, follower_id: str | None = None) -> Event:
    return photo_referenced(photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms, follower_id)
