"""May a cached copy be served without asking its upstream? Pure: ages are arguments.

Two ages decide:

* The age of the grant: how long ago the origin confirmed the copy's hash. Whether it may be served and cached here, the
  statement says at each request (`permissions`).
* The age of the tombstones: how long ago this edge had all tombstones of the photo's home region.

Why the second has a bound: a deletion reaches this edge only as a tombstone. If the region can't be reached, it can't
report that it has deleted a photo, and a grant that was given just before the deletion would keep the bytes servable
for up to an hour. So a grant alone is not enough. The edge must also have read all tombstones of the region a short
time ago: it then knows every deletion that is older than that.

While both ages are within their bounds, the copy is served without asking (FRESH). When either is over its bound, the
upstream is asked first. If that fails (no response, or an unusable one), the copy is still served for
STALE_IF_ERROR_S (RFC 5861), no longer.
"""

from dataclasses import dataclass
from enum import Enum

GRANT_TTL_S = 3600.0
MAX_TOMBSTONES_AGE_S = 30.0
STALE_IF_ERROR_S = 300.0
REFUSAL_TTL_S = 1.0


class Freshness(Enum):
    FRESH = "serve it"
    STALE = "ask the upstream first; serve it if that fails"
    EXPIRED = "ask the upstream first; if that fails, don't serve it"


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds since the origin gave the grant, and since the home region's tombstones were complete at this edge."""

    grant_age_s: float
    tombstones_age_s: float


def evaluate(ages: Ages) -> Freshness:
    over_s = max(ages.grant_age_s - GRANT_TTL_S, ages.tombstones_age_s - MAX_TOMBSTONES_AGE_S)
    if over_s <= 0:
        return Freshness.FRESH
    return Freshness.STALE if over_s <= STALE_IF_ERROR_S else Freshness.EXPIRED


def max_age_s(ages: Ages) -> int:
    """How long clients may cache the image: for the rest of the grant's time, as this edge does."""
    return max(0, int(GRANT_TTL_S - ages.grant_age_s))
