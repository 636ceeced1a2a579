"""A copy of a record ends as the record does, in whatever order it is sent, and by whatever clocks.

The senders are the real code (`replication.records`); each of their steps may come at any time, and each of them may be
killed, since its event then comes again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from regions import ids
from regions.border.kinds import USER, RecordName, change_of
from regions.border.records import SentRecord
from regions.events.messages import Event, record_changed
from regions.records import User
from regions.residency.decide import Decision
from regions.residency.policy import Action
from regions.residency.statement import Kind
from replication.records import RecordHandlers
from tests.builders.lane_world import Process, step

ANA = User(ids.to_public(ids.USER, 5 << 22), "Ana", "PT", "eu", "eu-west", 1)
SENDERS = 3
YES = Decision(True, "policy.yaml:1", "", "v1")
PLACE = SimpleNamespace(name="eu-central", kind=Kind.REGION)
STATEMENT = SimpleNamespace(
    places={"eu-central": PLACE}, region_numbered=lambda number: SimpleNamespace(name="eu-west")
)
RULES = SimpleNamespace(newest=STATEMENT, decide=lambda *asked: YES)


@dataclass
class TwoRegions:
    """A record at its home, and what the other region keeps of it, as both stores do."""

    now_ms: int = 1_000_000
    user: User = ANA
    kept: tuple[int, str | None] = (0, None)
    sent: list[int] = field(default_factory=list)

    def sender(self, clock_ahead_ms: int) -> RecordHandlers:
        catalog = SimpleNamespace(users=SimpleNamespace(get=self._get))
        home: Any = SimpleNamespace(
            region=SimpleNamespace(name="eu-west"),
            stores=SimpleNamespace(catalog=catalog),
            rules=lambda: RULES,
            decide=lambda *asked: {Action.REST_ACCOUNT: YES},
        )
        return RecordHandlers(home, "eu-central", self, lambda: self.now_ms + clock_ahead_ms)

    def keep(self, record: SentRecord) -> int | None:
        step()
        self.sent.append(record.version)
        mine = (record.version, record.document)
        if record.version > self.kept[0]:
            self.kept = mine
        answer = None if self.kept == mine else self.kept[0]
        step()
        return answer

    def change(self, state: int) -> Event:
        """To a name, or deleted."""
        deleted_at_ms = None if state else 1
        self.user = User(ANA.user_id, f"Ana {state}", "PT", "eu", "eu-west", 1, deleted_at_ms=deleted_at_ms)
        return record_changed(USER, ANA.user_id, "", ANA.user_id, "", self.now_ms)

    def _get(self, user_id: str) -> User:
        step()
        return self.user

    def is_the_same(self) -> bool:
        gone = self.user.deleted_at_ms is not None
        document = self.kept[1]
        return document is None if gone else document is not None and self.user.name in document


def handling(sender: RecordHandlers, event: Event) -> Callable[[], None]:
    return lambda: sender.handle_changed(event)


acts = st.tuples(st.sampled_from(["go on", "go on", "change", "kill", "wait"]), st.integers(0, 3), st.integers(1, 12))
clocks = st.lists(st.integers(-50, 50), min_size=SENDERS, max_size=SENDERS)
histories = st.lists(acts, max_size=20)


@settings(max_examples=300)
@given(clocks, histories)
def test_a_copy_ends_as_its_record(ahead_ms, history):
    """Every change has an event, which is handled until that ends well; nothing else is promised of events."""
    world = TwoRegions()
    processes: list[Process] = []

    def change(state: int) -> None:
        event = world.change(state)
        sender = world.sender(ahead_ms[len(processes) % SENDERS])
        processes.append(Process(handling(sender, event)))

    change(1)
    for act, number, steps in history:
        process = processes[number % len(processes)]
        if act == "change":
            change(number)
        elif act == "wait":
            world.now_ms += steps
        elif act == "kill":
            process.kill()
        else:
            for _ in range(steps):
                process.go_on()
    for process in processes:
        process.finish(SimpleNamespace(now_ms=0))
    assert world.is_the_same()


def test_a_sender_that_is_overtaken_ends_with_the_last_state():
    """At whichever step: its clock is ahead, so that what it read before the change has the higher version."""
    for steps in range(12):
        world = TwoRegions()
        ahead = Process(handling(world.sender(50), world.change(1)))
        for _ in range(steps):
            ahead.go_on()
        Process(handling(world.sender(-50), world.change(2))).finish(SimpleNamespace(now_ms=0))
        ahead.finish(SimpleNamespace(now_ms=0))
        assert world.is_the_same(), steps


def test_the_name_of_a_record_is_in_its_event():
    """By which all of the above finds it."""
    event = TwoRegions().change(2)
    assert change_of(event).name == RecordName(USER, ANA.user_id)
