"""A Redis and the prefix of our keys in it, from a store's URL; and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import redis
from redis.retry import Retry

from regions.errors import Unavailable


def connect(url: str, password: str | None, timeout_s: float, retry: Retry) -> tuple[redis.Redis, str]:
    """`redis://host:port/DB?prefix=TEXT`. Connects with the first command; each answers or fails within `timeout_s`."""
    split = urlsplit(url)
    client = redis.Redis.from_url(
        split._replace(query="").geturl(),
        password=password,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=30,
        retry=retry,
    )
    return client, parse_qs(split.query).get("prefix", [""])[0]


@contextmanager
def errors_as_unavailable(what: str) -> Iterator[None]:
    """Turns Redis' errors into Unavailable. `what` does not answer."""
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable(f"{what} do not answer: {type(error).__name__}") from error
