"""The feeds on Redis, for `regions.config`."""

from regions.stores.feeds import Feeds
from regions.stores.redis.feeds import RedisFeeds
from regions.stores.stamp import StoreLocation


def feeds(url: str, password: str | None = None) -> StoreLocation[Feeds]:
    """`redis://HOST:PORT/DB?prefix=PREFIX`. Raises TopologyError.

    Nothing has to be created, and there is no stamp: Redis may forget feeds, and so it might forget the stamp.
    """
    return StoreLocation(lambda ours: RedisFeeds(url, password), lambda: None, lambda stamp: stamp)
