"""The limits port: how much somebody may do in a while, counted for all processes of a region together.

A limit is a supply of units that refills evenly. Who does something takes units from it, and waits when
there are too few. A key that nobody has taken from for as long as its limit needs to refill is forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from regions.stores.health import CheckResult


class Unit(StrEnum):
    """What a limit counts: the quota units of draft-ietf-httpapi-ratelimit-headers-10."""

    REQUESTS = "requests"
    BYTES = "content-bytes"
    UNFINISHED = "concurrent-requests"


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` units at once; all of them are back after `refilled_in_s`, and a share of them after a share of it.

    So within any `t` seconds, nobody takes more than `most` · (1 + t / `refilled_in_s`).
    """

    name: str
    most: int
    refilled_in_s: int
    unit: Unit = Unit.REQUESTS


@dataclass(frozen=True, slots=True)
class Wanted:
    """`cost` units of a limit, at most its `most`, for those who share the `key`."""

    limit: Limit
    key: str
    cost: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.cost <= self.limit.most:
            raise ValueError(f"{self.cost} units of {self.limit.name} can never be had")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a limit stands after somebody asked for units: how many it has, and when it has all again.

    `retry_after_s` is 0 if there were enough; else there will be, in this time, unless others take them.
    """

    limit: Limit
    remaining: int
    refilled_in_s: float
    retry_after_s: float = 0.0


def is_granted(standings: Sequence[Standing]) -> bool:
    return all(standing.retry_after_s == 0 for standing in standings)


class RateLimits(Protocol):
    """`take` and `give_back` raise `Unavailable` if the store does not answer within a tenth of a second."""

    def take(self, wanted: Sequence[Wanted]) -> list[Standing]:
        """Takes all of it, or nothing if one of the limits has too little. In the order of `wanted`."""
        ...

    def give_back(self, wanted: Sequence[Wanted]) -> None:
        """What was taken and has cost nothing after all. A limit never has more than its `most`."""
        ...

    def check_health(self) -> list[CheckResult]:
        """As of every store: a problem is a result and never raised, and nothing is left behind."""
        ...

    def close(self) -> None: ...
