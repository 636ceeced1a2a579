"""Laws of a lane, checked against a model of its two ends in memory. Each instruction is a step; a crash may follow."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from regions import ids
from regions.records import AuditEntry, Location, Photo, Replica, Status, Tombstone, Variant
from regions.residency.decide import Decision
from regions.residency.policy import Action
from regions.stores.objects import RAW
from replication import instructions
from replication.placement import ExpectedObject, Placement, expected_objects

PHOTO_ID, OWNER_ID = ids.to_public(ids.PHOTO, 7 << 22), ids.to_public(ids.USER, 5 << 22)
FOLLOWER = ids.to_public(ids.USER, 6 << 22)
PHOTO = Photo(
    PHOTO_ID, OWNER_ID, "eu", "eu-west", Status.READY, "", 9, "ab" * 32, 7,
    variants=tuple(Variant(size, size, size, size, f"{size:064x}") for size in (150, 320)),
    location=Location(38.72, -9.13),
)  # fmt: skip
COPY = replace(PHOTO, location=None)
"""What another region may know of it: where it was taken stays at home."""
TOMBSTONE = Tombstone(PHOTO_ID, OWNER_ID, 8)
DESTINATION = "eu-central"

decisions = st.booleans().map(lambda allowed: Decision(allowed, f"policy.yaml:{int(allowed)}", "", "v1"))
placements = st.builds(Placement, st.just(DESTINATION), decisions, decisions, decisions, decisions)


@dataclass
class Ends:
    """What is stored at the home and at the destination, and how many objects and references were written."""

    placement: Placement
    has_followers: bool = True
    tombstone_at_home: bool = False
    tombstone_at_destination: bool = False
    objects: set[ExpectedObject] = field(default_factory=set)
    destination_photo: Photo | None = None
    replica: Replica | None = None
    audit: list[AuditEntry] = field(default_factory=list)
    references: int = 0
    copies: int = 0

    def read_state(self) -> instructions.PhotoState:
        missing = [one for one in expected_objects(PHOTO, self.placement) if one not in self.objects]
        return instructions.PhotoState(
            PHOTO, self.placement, missing, self.destination_photo, self.replica, self.has_followers, list(self.audit)
        )

    def execute(self, instruction: instructions.Instruction) -> None:
        match instruction:
            case instructions.Audit(entries):
                self.audit += entries
            case instructions.CopyObject(expected):
                self.require_audited(Action.REST_RAW if expected.bucket == RAW else Action.REST_VARIANTS)
                self.objects.add(expected)
                self.copies += 1
            case instructions.PutMetadata(photo):
                self.require_audited(Action.REST_METADATA)
                self.destination_photo = None if self.tombstone_at_destination else photo
            case instructions.RecordReplica(replica):
                self.replica = self.replica if self.tombstone_at_home else replica
            case instructions.PublishReferences(events):
                self.require_audited(Action.REFERENCE)
                self.references += len(events)
            case instructions.PutTombstone():
                self.tombstone_at_destination, self.destination_photo = True, None
            case instructions.EraseObjects():
                self.objects.clear()
            case instructions.RemoveReplica():
                self.replica = None

    def require_audited(self, action: Action) -> None:
        """Nothing crosses before the decision that allows it is on the audit log."""
        assert any(entry.action == action and entry.allowed for entry in self.audit)


Steps = Iterator[None]


def owner_deletes(ends: Ends) -> Steps:
    ends.tombstone_at_home = True
    yield


def lane_deletes(ends: Ends) -> Steps:
    """The event is delivered only after the tombstone is written, because both are one write."""
    while not ends.tombstone_at_home:
        yield
    yield from delete_at_destination(ends)


def lane_copies(ends: Ends) -> Steps:
    if not (ends.tombstone_at_home or ends.tombstone_at_destination):
        for instruction in instructions.on_ready(ends.read_state(), 9):
            yield
            ends.execute(instruction)
        yield
    if ends.tombstone_at_home or ends.tombstone_at_destination:
        yield from delete_at_destination(ends)


def delete_at_destination(ends: Ends) -> Steps:
    for instruction in instructions.on_deleted(TOMBSTONE, DESTINATION):
        yield
        ends.execute(instruction)


def finish(steps: Steps) -> None:
    for _ in steps:
        pass


def copy_completely(ends: Ends) -> None:
    finish(lane_copies(ends))


DELIVERIES = (owner_deletes, lane_deletes, lane_copies, lane_copies)
KILL = len(DELIVERIES)


@given(placements, st.lists(st.integers(0, KILL), max_size=60))
@settings(max_examples=300)
def test_a_tombstone_wins_in_any_order_of_events(placement, schedule):
    """Two deliveries of the photo and its deletion interleave in any order; all are killed and start again any time."""
    ends = Ends(placement)
    in_progress = [begin(ends) for begin in DELIVERIES]
    for choice in schedule:
        if choice == KILL:
            in_progress = [begin(ends) for begin in DELIVERIES]
        else:
            next(in_progress[choice], None)
    for steps in in_progress:
        finish(steps)
    assert ends.tombstone_at_destination
    assert (ends.objects, ends.destination_photo, ends.replica) == (set(), None, None)


def test_a_deletion_writes_the_tombstone_before_it_erases_an_object():
    """The home removes its replica record last, which confirms the deletion; the owner's id is not sent."""
    assert instructions.on_deleted(TOMBSTONE, DESTINATION) == [
        instructions.PutTombstone(Tombstone(PHOTO_ID, "", TOMBSTONE.deleted_at_ms)),
        instructions.EraseObjects(PHOTO_ID),
        instructions.RemoveReplica(PHOTO_ID, DESTINATION),
    ]


@given(placements, st.lists(st.integers(0, 1), max_size=30), st.booleans())
def test_the_destination_gets_exactly_what_the_placement_allows(placement, schedule, has_followers):
    """However often the event is delivered, and wherever a delivery is killed."""
    ends = Ends(placement, has_followers)
    in_progress = lane_copies(ends)
    for killed in schedule:
        in_progress = lane_copies(ends) if killed else in_progress
        next(in_progress, None)
    copy_completely(ends)
    assert ends.objects == set(expected_objects(PHOTO, placement))
    assert (ends.destination_photo == COPY) is placement.metadata.allowed
    assert (ends.replica is not None) is (placement.raw.allowed or placement.variants.allowed)
    assert (ends.references > 0) is (has_followers and placement.reference.allowed)


@given(placements, st.booleans())
def test_a_second_delivery_writes_nothing_but_references(placement, has_followers):
    """Nothing is copied, recorded or audited again; a reference may be published again."""
    ends = Ends(placement, has_followers)
    copy_completely(ends)
    before = replace(ends, objects=set(ends.objects), audit=list(ends.audit))
    steps = instructions.on_ready(ends.read_state(), 10)
    assert all(isinstance(instruction, instructions.PublishReferences) for instruction in steps)
    copy_completely(ends)
    assert replace(ends, references=0) == replace(before, references=0)


@given(st.lists(placements, min_size=1, max_size=5))
def test_the_audit_log_ends_with_the_latest_decisions(changing):
    """Even if the policy is changed and changed back, so that the log can be replayed."""
    ends = Ends(changing[0])
    for placement in changing:
        ends.placement = placement
        copy_completely(ends)
        last = {entry.action: entry.allowed for entry in ends.audit}
        decided = {**placement.at_rest, Action.REFERENCE: placement.reference}
        assert last == {action: decision.allowed for action, decision in decided.items()}


@given(st.lists(decisions, max_size=5))
def test_a_new_follower_gets_exactly_the_allowed_references(made):
    """The audit log gets one decision per photo, and none that it has already."""
    photos = [replace(PHOTO, photo_id=ids.to_public(ids.PHOTO, number)) for number, _ in enumerate(made)]
    decided = [(photo, decision, []) for photo, decision in zip(photos, made, strict=True)]
    steps = instructions.on_followed(FOLLOWER, decided, DESTINATION, 9)
    published = [event.key for one in steps if isinstance(one, instructions.PublishReferences) for event in one.events]
    assert published == [photo.photo_id for photo, decision, _ in decided if decision.allowed]
    audited = [entry for one in steps if isinstance(one, instructions.Audit) for entry in one.entries]
    assert [entry.allowed for entry in audited] == [decision.allowed for decision in made]
    again = [(photo, decision, [entry]) for photo, decision, entry in zip(photos, made, audited, strict=True)]
    assert not any(
        isinstance(one, instructions.Audit) for one in instructions.on_followed(FOLLOWER, again, DESTINATION, 10)
    )
