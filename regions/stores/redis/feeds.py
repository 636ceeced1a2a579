"""The feeds port over Redis: a sorted set for each user, all of one score, so that its members sort as text, as ids do.

Redis may lose a feed at any time (a restart, an eviction): the member `_BEGUN`, which sorts above all ids and is
never trimmed, says that the rest of the set is what was told. A score could not carry an id: it has 53 bits.
"""

import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import FullJitterBackoff
from redis.retry import Retry

from regions.errors import Unavailable
from regions.stores.feeds import CAP
from regions.stores.health import CheckResult, HealthCheck, Level, clock, run_checks

_BEGUN = "~"
# It does two to four times as many feeds a second as the same commands in a pipeline, which cost more to write and read
# than to do.
_ADD = """
local call, photo_id, last_rank = redis.call, ARGV[1], ARGV[2]
for _, key in ipairs(KEYS) do
    if call('ZADD', key, '0', photo_id) == 1 then
        call('ZREMRANGEBYRANK', key, '0', last_rank)
    end
end
"""
# What a script wrote goes into Redis' log when the script ends. One that writes more than a processor's cache holds has
# to fetch it all again: with 250 full feeds a script, Redis took half as long again as with 50.
_FEEDS_A_SCRIPT = 50
_FEEDS_A_ROUND_TRIP = 500
# One more than the cap stays, as `_BEGUN` is among them; a feed that is not begun may be one over.
_TRIM_TO_RANK = -(CAP + 2)
_TIMEOUT_S = 2.0
# Every command here is idempotent, so that a lost answer may be asked for again.
_RETRY = Retry(FullJitterBackoff(base=0.02, cap=0.5), retries=3)

# What a killed examination leaves behind goes by itself.
_EXAMINED_S = 60
_REACH = "Check that Redis runs at the topology's address and takes the password in the secret REGION.feeds."
_SPEAK = "Allow the user the commands INFO and TIME."
_WRITE = "Allow the user scripts and sorted-set commands on the prefix's keys; name the primary, not a replica."
_EVICT = "Set `maxmemory-policy allkeys-lru`: an evicted feed is filled again, but a full Redis takes no more photos."


class RedisFeeds:
    """`url` is `redis://host:port/DB?prefix=TEXT`; all keys begin with the prefix. Safe to share between threads."""

    def __init__(self, url: str, password: str | None = None) -> None:
        split = urlsplit(url)
        self._prefix = parse_qs(split.query).get("prefix", [""])[0]
        self._redis = redis.Redis.from_url(
            split._replace(query="").geturl(),
            password=password,
            decode_responses=True,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            health_check_interval=30,
            retry=_RETRY,
        )
        self._add = self._redis.register_script(_ADD)

    def add(self, photo_id: str, user_ids: Collection[str]) -> None:
        """Some hundred followers at a time; where it raises, some have the photo."""
        keys = [self._key(user_id) for user_id in user_ids]
        for page in _pages(keys, _FEEDS_A_ROUND_TRIP):
            with _reaching(), self._redis.pipeline(transaction=False) as pipeline:
                for feeds in _pages(page, _FEEDS_A_SCRIPT):
                    self._add(feeds, [photo_id, _TRIM_TO_RANK], client=pipeline)
                pipeline.execute()

    def page(self, user_id: str, before: str | None, limit: int) -> list[str] | None:
        key = self._key(user_id)
        with _reaching(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zscore(key, _BEGUN)
            pipeline.zrevrangebylex(key, "(" + _bound(before), "-", start=0, num=min(limit, CAP))
            begun, photo_ids = pipeline.execute()
        return list(photo_ids) if begun is not None else None

    def mark_complete(self, user_id: str) -> None:
        with _reaching():
            self._redis.zadd(self._key(user_id), {_BEGUN: 0})

    def remove(self, photo_ids: Collection[str], user_id: str) -> None:
        if photo_ids:
            with _reaching():
                self._redis.zrem(self._key(user_id), *photo_ids)

    def check_health(self) -> list[CheckResult]:
        return run_checks(
            [
                HealthCheck("reachable", self._version, _REACH),
                HealthCheck("clock", self._clock, _SPEAK),
                HealthCheck("memory", self._memory, _SPEAK),
                HealthCheck("write, read, delete", self._write, _WRITE),
            ]
        )

    def close(self) -> None:
        self._redis.close()

    def _version(self) -> str:
        with _reaching():
            return f"Redis {self._redis.info('server')['redis_version']}"

    def _clock(self) -> CheckResult:
        with _reaching():
            sent_s = time.time()
            seconds, microseconds = self._redis.time()
            return clock(seconds + microseconds / 1e6, 0.0, sent_s, time.time())

    def _memory(self) -> str | CheckResult:
        with _reaching():
            memory = self._redis.info("memory")
        used, most, policy = memory["used_memory_human"], memory["maxmemory"], memory["maxmemory_policy"]
        if most and not policy.startswith("allkeys"):
            return CheckResult("memory", Level.WARNING, f"{used} used; {policy} when it is full", _EVICT)
        return f"{used} used"

    def _write(self) -> str:
        key = self._key(f"examination-{secrets.token_hex(8)}")
        with _reaching():
            try:
                self._add([key], ["examination", _TRIM_TO_RANK])
                self._redis.expire(key, _EXAMINED_S)
                if self._redis.zrevrangebylex(key, "+", "-") != ["examination"]:
                    raise Unavailable("what was written was not read again")
            finally:
                self._redis.delete(key)
        return "done"

    def _key(self, user_id: str) -> str:
        return f"{self._prefix}feed:{user_id}"


def _pages(keys: list[str], size: int) -> Iterator[list[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _bound(before: str | None) -> str:
    """Any text will do, a hostile one too; nothing sorts between the ids and `_BEGUN`."""
    return _BEGUN if before is None else min(before.encode(errors="replace").decode(), _BEGUN)


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable(f"the feeds do not answer: {type(error).__name__}") from error
