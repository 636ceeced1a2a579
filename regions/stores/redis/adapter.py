"""The feeds on Redis, as `regions.config` opens them."""

from regions.stores.feeds import Feeds
from regions.stores.redis.feeds import RedisFeeds


def open_feeds(url: str, password: str | None = None) -> Feeds:
    """`redis://HOST:PORT/DB?prefix=PREFIX`. Raises TopologyError."""
    return RedisFeeds(url, password)
