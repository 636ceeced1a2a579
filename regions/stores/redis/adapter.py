"""The feeds and the limits on Redis, for `regions.config`."""

import time

from regions.stores.fallback_limits import FallbackLimits
from regions.stores.feeds import Feeds
from regions.stores.limits import RateLimits
from regions.stores.redis.feeds import RedisFeeds
from regions.stores.redis.limits import RedisLimits
from regions.stores.stamp import StoreLocation


def feeds(url: str, password: str | None = None) -> StoreLocation[Feeds]:
    """`redis://HOST:PORT/DB?prefix=PREFIX`. Raises TopologyError.

    Nothing has to be created, and there is no stamp: Redis may forget feeds, and so it might forget the stamp.
    """
    return StoreLocation(lambda ours: RedisFeeds(url, password), lambda: None, lambda stamp: stamp)


def limits(url: str, own: RateLimits, password: str | None = None) -> RateLimits:
    """At a URL like that of the feeds. `own` are the process's own, for while Redis is away.

    Nothing is connected yet. If Redis forgets, everybody has their whole supply again.
    """
    return FallbackLimits(RedisLimits(url, password), own, time.monotonic)
