"""May a copy that lies here be shown without asking? Pure: ages are arguments.

Two things grow old: what the origin said of the copy (its hash, and whether it may lie here), and the last time its
home told which photos are deleted. A copy is shown unasked while both are young. When either is old, the shield is
asked first; where no answer is to be had, the copy is shown for a while all the same (stale-if-error, RFC 5861), and
then no more: a region that is away can't tell us that it has deleted something.
"""

from dataclasses import dataclass
from enum import Enum

GRANT_TTL_S = 3600.0
SILENCE_S = 30.0
STALE_IF_ERROR_S = 300.0
NOT_FOUND_TTL_S = 1.0


class Freshness(Enum):
    FRESH = "show it"
    STALE = "ask first; show it where nobody answers"
    EXPIRED = "ask first; without an answer there is nothing to show"


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds since the origin spoke of the copy, and since its home's tombstones were known to the last."""

    grant_s: float
    tombstone_age_s: float


def evaluate(ages: Ages) -> Freshness:
    over_s = max(ages.grant_s - GRANT_TTL_S, ages.tombstone_age_s - SILENCE_S)
    if over_s <= 0:
        return Freshness.FRESH
    return Freshness.STALE if over_s <= STALE_IF_ERROR_S else Freshness.EXPIRED


def max_age_s(ages: Ages) -> int:
    """For how long clients may keep it: as long as we would ourselves."""
    return max(0, int(GRANT_TTL_S - ages.grant_s))
