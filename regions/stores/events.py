"""The events port: topics of keyed events, read by consumer groups that commit after success.

A topic has `PARTITIONS` partitions; a key's events lie in one of them, in the order of publishing. The
members of a group share the partitions among themselves. Delivery is at least once: what was not
committed when a member left, or died, is delivered again to whoever has its partition next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

from regions.events.messages import Event
from regions.stores.health import CheckResult

PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as it was delivered. `offset` counts up within the partition."""

    event: Event
    partition: int
    offset: int


class Consumer(Protocol):
    """One member of a group, on one topic. Used by one thread at a time."""

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        """The next events of the partitions that are ours, each given once; waits up to `timeout_s` for the first."""
        ...

    def commit(self, partition: int, offset: int) -> None:
        """All events of the partition up to and with `offset` are done. Does nothing where it is no longer ours."""
        ...

    def owned(self) -> set[int]:
        """The partitions that are ours now. What is under way of any other will be delivered to someone else."""
        ...

    def close(self) -> None:
        """Leaves the group, so that others take over at once. Idempotent."""
        ...


class Events(Protocol):
    """Every method raises `Unavailable` where the store can't be reached."""

    def publish(self, events: Sequence[Event]) -> None:
        """Durable when it returns."""
        ...

    def consumer(self, topic: str, group: str, member: str) -> Consumer:
        """Joins the group. A new group begins with the oldest event that is kept."""
        ...

    def lag(self, topic: str, group: str) -> dict[int, int]:
        """Events not yet committed by the group, by partition."""
        ...

    def check_health(self) -> list[CheckResult]:
        """What is well with the store and what is not, found by reading and by writing something of its own.

        What is wrong is a finding and never raised. Bounded in time; leaves nothing behind.
        """
        ...

    def close(self) -> None: ...


def partition_of(key: str) -> int:
    return crc32(key.encode()) % PARTITIONS
