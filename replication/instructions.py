"""What a lane does about an event: the state it read goes in, instructions come out, in the order of execution.

Pure: knows no store and no clock. Two invariants hold for any order of events, crashes and repeats: a tombstone wins,
and a repeat writes nothing but references. They hold only if the caller, after it has executed the instructions of
`on_ready`, checks for a tombstone once more and, if there is one, executes those of `on_deleted` (ADR 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from regions.events.messages import Event, photo_referenced
from regions.records import AuditEntry, Photo, PhotoSummary, Replica, Tombstone
from regions.residency.audit import entries_of, new_entries
from regions.residency.decide import Decision
from regions.residency.policy import Action
from replication.placement import ExpectedObject, Placement


@dataclass(frozen=True, slots=True)
class PhotoState:
    """What a lane has read about one photo that is public and has no tombstone.

    `missing` are the objects that may be stored at the destination and are not there yet; `destination_photo` is the
    metadata there; `has_followers` means that the owner has followers there who do not have the photo yet;
    `audit_tail` is the end of the photo's audit log.
    """

    photo: Photo
    placement: Placement
    missing: Sequence[ExpectedObject]
    destination_photo: Photo | None
    replica: Replica | None
    has_followers: bool
    audit_tail: Sequence[AuditEntry]


@dataclass(frozen=True, slots=True)
class Audit:
    """Append these to the audit log of the photo's home, before anything else is done."""

    entries: Sequence[AuditEntry]


@dataclass(frozen=True, slots=True)
class CopyObject:
    expected: ExpectedObject


@dataclass(frozen=True, slots=True)
class PutMetadata:
    photo: Photo


@dataclass(frozen=True, slots=True)
class RecordReplica:
    """Skip this if an object could not be copied."""

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
    """Records at the photo's home that the destination has confirmed the deletion."""

    photo_id: str
    region: str


Instruction = (
    Audit | CopyObject | PutMetadata | RecordReplica | PublishReferences | PutTombstone | EraseObjects | RemoveReplica
)


def on_ready(state: PhotoState, at_ms: int) -> list[Instruction]:
    """Brings to the destination what it may have and does not have yet.

    The order: the audit log first, so that nothing crosses before the decision that allows it is recorded; the
    reference last, so that a feed which shows the photo finds its variants nearby, if they may be stored there.
    """
    placement = state.placement
    instructions: list[Instruction] = [CopyObject(expected) for expected in state.missing]
    # Where it was taken is for the owner alone, whose requests go to the home region.
    copied = replace(state.photo, location=None, near_duplicate_of=None)
    if placement.metadata.allowed and state.destination_photo != copied:
        instructions.append(PutMetadata(copied))
    replica = _replica(state.photo, placement, at_ms)
    # A record that differs only in its time is not written again.
    recorded = state.replica and replace(state.replica, at_ms=at_ms)
    if replica is not None and replica != recorded:
        instructions.append(RecordReplica(replica))
    decisions = dict(placement.at_rest)
    if state.has_followers:
        decisions[Action.REFERENCE] = placement.reference
        if placement.reference.allowed:
            instructions.append(PublishReferences([_reference(state.photo, at_ms)]))
    entries = new_entries(entries_of(state.photo.photo_id, placement.place, decisions, at_ms), state.audit_tail)
    return [*([Audit(entries)] if entries else []), *instructions]


def on_deleted(tombstone: Tombstone, destination: str) -> list[Instruction]:
    """Needs no policy, because nothing may delay a deletion. So only the photo's id and the time of the deletion
    cross, not the owner's id.

    The tombstone comes first: from then on no metadata can be stored there, and a lane that is copying an object
    meanwhile checks for a tombstone after the copy, and erases what it copied. The home's record of the replica goes
    last: as long as it is there, the deletion is not confirmed.
    """
    photo_id = tombstone.photo_id
    return [PutTombstone(replace(tombstone, owner_id="")), EraseObjects(photo_id), RemoveReplica(photo_id, destination)]


def on_followed(
    follower_id: str, photos: Sequence[tuple[PhotoSummary, Decision, Sequence[AuditEntry]]], place: str, at_ms: int
) -> list[Instruction]:
    """References for a new follower at a place. Each photo comes with its decision and the end of its audit log."""
    entries = [
        entry
        for photo, decision, audit_tail in photos
        for entry in new_entries(entries_of(photo.photo_id, place, {Action.REFERENCE: decision}, at_ms), audit_tail)
    ]
    events = [_reference(photo, at_ms, follower_id) for photo, decision, _ in photos if decision.allowed]
    return [*([Audit(entries)] if entries else []), *([PublishReferences(events)] if events else [])]


def _replica(photo: Photo, placement: Placement, at_ms: int) -> Replica | None:
    """The record of what the destination has, and by which rules; None if it may have neither raw nor variants."""
    raw, variants = placement.raw, placement.variants
    allowing = [decision for decision in (raw, variants) if decision.allowed]
    if not allowing:
        return None
    rule = ", ".join(dict.fromkeys(decision.rule for decision in allowing))
    version = allowing[0].policy_version
    return Replica(photo.photo_id, placement.place, raw.allowed, variants.allowed, rule, version, at_ms)


def _reference(photo: Photo | PhotoSummary, at_ms: int, follower_id: str | None = None) -> Event:
    return photo_referenced(photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms, follower_id)
