"""The events port: topics of keyed events, read by consumer groups that commit what they have handled.

A topic has as many partitions as the URL says when the topic is created. All events of one key are in one of them
(`regions.stores.partitioner`), in the order in which they were published. The members of a group divide the partitions
among themselves. Delivery is at least once: if a member leaves or dies before it commits, the next owner of the
partition gets those events again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from regions.events.messages import Event, Unreadable
from regions.stores.health import CheckResult


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as it was delivered, or what the log has in its place. `offset` increases within the partition."""

    event: Event | Unreadable
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that the log dropped before the group had read them: from the offset `first` up to `end`, without it."""

    partition: int
    first: int
    end: int


class Consumer(Protocol):
    """One member of a group, on one topic. Only one thread at a time may use it."""

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        """The next events of the partitions that are ours, each once. Waits up to `timeout_s` for the first."""
        ...

    def commit(self, partition: int, offset: int) -> None:
        """Events up to and including `offset` are handled. Does nothing if the partition is no longer ours."""
        ...

    def owned(self) -> set[int]:
        """The partitions that are ours now. Events of others, even those we are handling, go to their new owners."""
        ...

    def generation(self) -> int:
        """Of what `owned` has returned last: of two members that both take a partition for theirs, the later owner has
        the higher one."""
        ...

    def close(self) -> None:
        """Leaves the group, so that others take over at once. Idempotent."""
        ...


class ConsumerSource(Protocol):
    """What a subscription needs of an event log: `consumer`, as `Events` has it."""

    def consumer(self, topic: str, group: str, member: str) -> Consumer: ...


class LogConsumer(Consumer, Protocol):
    """A consumer that jumps over nothing: where the log was trimmed, it stands still until it is to go on.

    `regions.events.gaps` makes one of it that writes down what it goes over.
    """

    def gaps(self) -> list[Gap]:
        """What was trimmed of the partitions that are ours; `poll` finds it, and returns nothing of those partitions.

        A group that never committed, or whose commits the log has forgotten, continues at the offset 0.
        """
        ...

    def skip(self, gap: Gap) -> None:
        """Continues at its end. If the group has committed all before the gap, it does so too; else by a later commit.

        Does nothing if it is no gap of ours any more.
        """
        ...


class Events(Protocol):
    """Every method raises `Unavailable` if the store can't be reached."""

    def publish(self, events: Sequence[Event]) -> None:
        """Durable when it returns."""
        ...

    def consumer(self, topic: str, group: str, member: str) -> Consumer:
        """Joins the group. A new group starts with the oldest event that the log still has, after a gap if it had more.

        `member` is a label for people only: two consumers with the same label are two members.
        """
        ...

    def lag(self, topic: str, group: str) -> dict[int, int]:
        """How many events the group has not committed yet, for each partition of the topic."""
        ...

    def check_health(self) -> list[CheckResult]:
        """Checks the store by reading, and by writing something of its own.

        A problem is a result and never raised. Takes a bounded time and leaves nothing behind.
        """
        ...

    def close(self) -> None: ...


class EventLog(Events, Protocol):
    """What an adapter is."""

    def consumer(self, topic: str, group: str, member: str) -> LogConsumer: ...
