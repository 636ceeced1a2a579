"""A lane against its model: two ends in memory, where every instruction is one step and any step may be the last."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from regions import ids
from regions.records import AuditEntry, Photo, Replica, Status, Tombstone, Variant
from regions.residency.decide import Decision
from regions.residency.policy import Action
from regions.stores.objects import RAW
from regions.topology import Place
from replication import lane
from replication.placement import ExpectedObject, Placement, objects_of

PHOTO_ID, OWNER_ID = ids.to_public(ids.PHOTO, 7 << 22), ids.to_public(ids.USER, 5 << 22)
FOLLOWER = ids.to_public(ids.USER, 6 << 22)
PHOTO = Photo(
    PHOTO_ID, OWNER_ID, "eu", "eu-west", Status.READY, "", 9, "ab" * 32, 7,
    variants=tuple(Variant(size, size, size, size, f"{size:064x}") for size in (150, 320)),
)  # fmt: skip
TOMBSTONE = Tombstone(PHOTO_ID, OWNER_ID, 8)
THERE = Place("eu-central", "region", "EU")

yes_or_no = st.booleans().map(lambda allowed: Decision(allowed, f"policy.yaml:{int(allowed)}", "", "v1"))
placements = st.builds(Placement, st.just(THERE), yes_or_no, yes_or_no, yes_or_no, yes_or_no)


@dataclass
class Ends:
    """What lies at the home and at the destination, and what the event log at the destination was told."""

    placement: Placement
    followed: bool = True
    buried_at_home: bool = False
    buried_there: bool = False
    objects: set[ExpectedObject] = field(default_factory=set)
    copy: Photo | None = None
    replica: Replica | None = None
    audit: list[AuditEntry] = field(default_factory=list)
    references: int = 0
    copies: int = 0

    def see(self) -> lane.PhotoState:
        lacking = [one for one in objects_of(PHOTO, self.placement) if one not in self.objects]
        return lane.PhotoState(PHOTO, self.placement, lacking, self.copy, self.replica, self.followed, list(self.audit))

    def do(self, instruction: lane.Instruction) -> None:
        match instruction:
            case lane.Audit(entries):
                self.audit += entries
            case lane.CopyObject(expected):
                self.require_leave(Action.REST_RAW if expected.bucket == RAW else Action.REST_VARIANTS)
                self.objects.add(expected)
                self.copies += 1
            case lane.PutMetadata(photo):
                self.require_leave(Action.REST_METADATA)
                self.copy = self.copy if self.buried_there else photo
            case lane.RecordReplica(replica):
                self.replica = self.replica if self.buried_at_home else replica
            case lane.PublishReferences(events):
                self.require_leave(Action.REFERENCE)
                self.references += len(events)
            case lane.PutTombstone():
                self.buried_there, self.copy = True, None
            case lane.EraseObjects():
                self.objects.clear()
            case lane.RemoveReplica():
                self.replica = None

    def require_leave(self, action: Action) -> None:
        """Nothing crosses before the decision that allows it is on the audit log."""
        assert any(entry.action == action and entry.allowed for entry in self.audit)


Steps = Iterator[None]


def owner_deletes(ends: Ends) -> Steps:
    ends.buried_at_home = True
    yield


def lane_deletes(ends: Ends) -> Steps:
    """Is delivered once the tombstone is there, since both are one write."""
    while not ends.buried_at_home:
        yield
    yield from bury(ends)


def lane_brings(ends: Ends) -> Steps:
    if not (ends.buried_at_home or ends.buried_there):
        for instruction in lane.on_ready(ends.see(), 9):
            yield
            ends.do(instruction)
        yield
    if ends.buried_at_home or ends.buried_there:
        yield from bury(ends)


def bury(ends: Ends) -> Steps:
    for instruction in lane.on_deleted(TOMBSTONE, THERE.name):
        yield
        ends.do(instruction)


def finish(steps: Steps) -> None:
    for _ in steps:
        pass


def bring_wholly(ends: Ends) -> None:
    finish(lane_brings(ends))


DELIVERIES = (owner_deletes, lane_deletes, lane_brings, lane_brings)
KILL = len(DELIVERIES)


@given(placements, st.lists(st.integers(0, KILL), max_size=60))
@settings(max_examples=300)
def test_a_tombstone_wins_whatever_the_order_of_events(placement, schedule):
    """Two deliveries of the photo and its deletion meet in any order; any of them is killed and delivered again."""
    ends = Ends(placement)
    under_way = [begin(ends) for begin in DELIVERIES]
    for turn in schedule:
        if turn == KILL:
            under_way = [begin(ends) for begin in DELIVERIES]
        else:
            next(under_way[turn], None)
    for steps in under_way:
        finish(steps)
    assert ends.buried_there
    assert (ends.objects, ends.copy, ends.replica) == (set(), None, None)


def test_a_deletion_tells_the_tombstone_before_it_touches_an_object():
    """And the home forgets its replica last, as a sign that all of it is gone; the owner's id does not travel."""
    assert lane.on_deleted(TOMBSTONE, THERE.name) == [
        lane.PutTombstone(Tombstone(PHOTO_ID, "", TOMBSTONE.deleted_at_ms)),
        lane.EraseObjects(PHOTO_ID),
        lane.RemoveReplica(PHOTO_ID, THERE.name),
    ]


@given(placements, st.lists(st.integers(0, 1), max_size=30), st.booleans())
def test_what_lies_there_in_the_end_is_what_the_placement_allows(placement, schedule, followed):
    """However often it is delivered and wherever a delivery stops: all of it comes, and no more."""
    ends = Ends(placement, followed)
    under_way = lane_brings(ends)
    for killed in schedule:
        under_way = lane_brings(ends) if killed else under_way
        next(under_way, None)
    bring_wholly(ends)
    assert ends.objects == set(objects_of(PHOTO, placement))
    assert (ends.copy == PHOTO) is placement.metadata.allowed
    assert (ends.replica is not None) is (placement.raw.allowed or placement.variants.allowed)
    assert (ends.references > 0) is (followed and placement.reference.allowed)


@given(placements, st.booleans())
def test_placing_twice_moves_nothing(placement, followed):
    """The second time nothing is copied, kept, recorded or decided; a reference may be told again."""
    ends = Ends(placement, followed)
    bring_wholly(ends)
    before = replace(ends, objects=set(ends.objects), audit=list(ends.audit))
    instructions = lane.on_ready(ends.see(), 10)
    assert all(isinstance(instruction, lane.PublishReferences) for instruction in instructions)
    bring_wholly(ends)
    assert replace(ends, references=0) == replace(before, references=0)


@given(st.lists(placements, min_size=1, max_size=5))
def test_the_end_of_the_audit_log_is_the_last_decision(changing):
    """Also when a policy is changed and changed back, so that the log can be replayed."""
    ends = Ends(changing[0])
    for placement in changing:
        ends.placement = placement
        bring_wholly(ends)
        last = {entry.action: entry.allowed for entry in ends.audit}
        decisions = {**placement.at_rest, Action.REFERENCE: placement.reference}
        assert last == {action: decision.allowed for action, decision in decisions.items()}


@given(st.lists(yes_or_no, max_size=5))
def test_references_come_back_only_where_each_is_allowed(decisions):
    """One decision a photo on the audit log; what is on it already is not said again."""
    photos = [replace(PHOTO, photo_id=ids.to_public(ids.PHOTO, number)) for number, _ in enumerate(decisions)]
    decided = [(photo, made, []) for photo, made in zip(photos, decisions, strict=True)]
    instructions = lane.on_followed(FOLLOWER, decided, THERE, 9)
    told = [event.key for one in instructions if isinstance(one, lane.PublishReferences) for event in one.events]
    assert told == [photo.photo_id for photo, made, _ in decided if made.allowed]
    audited = [entry for one in instructions if isinstance(one, lane.Audit) for entry in one.entries]
    assert [entry.allowed for entry in audited] == [made.allowed for made in decisions]
    said = [(photo, made, [entry]) for photo, made, entry in zip(photos, decisions, audited, strict=True)]
    assert not any(isinstance(one, lane.Audit) for one in lane.on_followed(FOLLOWER, said, THERE, 10))
