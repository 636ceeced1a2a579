"""The feeds port over Redis: a sorted set for each user, in which every member has the score 0.

Redis sorts members of equal score as text, which is the order of ids. The score can't be the id itself: it is a double
with 53 bits of precision.

Redis can lose a feed at any time, by a restart or an eviction, and later `add`s would start a new set that looks like a
short feed. So a complete feed also has the member `_COMPLETE`, which sorts above all ids and is never trimmed. It is
lost together with the rest of the set, and a set without it is not returned.
"""

import secrets
import time
from collections.abc import Collection, Iterator

from redis.backoff import FullJitterBackoff
from redis.retry import Retry

from regions.errors import Unavailable
from regions.stores.feeds import CAP
from regions.stores.health import CheckResult, HealthCheck, Level, clock, run_checks
from regions.stores.paging import exclusive_upper_bound
from regions.stores.redis.connection import connect, errors_as_unavailable

_COMPLETE = "~"
# Two to four times as many feeds a second as the same commands in a pipeline, where writing and parsing the commands
# costs more than executing them.
_ADD = """
local call, photo_id, last_rank = redis.call, ARGV[1], ARGV[2]
for _, key in ipairs(KEYS) do
    if call('ZADD', key, '0', photo_id) == 1 then
        call('ZREMRANGEBYRANK', key, '0', last_rank)
    end
end
"""
# What a script wrote goes to the append-only file when the script ends. If that is more than the CPU cache holds,
# Redis has to read it all from memory again: with 250 full feeds in a script it took half as long again as with 50.
_FEEDS_PER_SCRIPT = 50
_FEEDS_PER_ROUND_TRIP = 500
# Keeps one member more than the cap, because `_COMPLETE` is one of them. An incomplete feed may have one id too many.
_TRIM_TO_RANK = -(CAP + 2)
_TIMEOUT_S = 2.0
# Every command here is idempotent, so it may be sent again when its response was lost.
_RETRY = Retry(FullJitterBackoff(base=0.02, cap=0.5), retries=3)

# What a killed health check leaves behind expires by itself.
_KEPT_S = 60
_REACH = "Check that Redis runs at the topology's address and accepts the password in the secret REGION.feeds."
_INFO = "Allow the user the commands INFO and TIME."
_WRITE = "Allow the user scripts and sorted-set commands on the prefix's keys; name the primary, not a replica."
_EVICT = "Set `maxmemory-policy allkeys-lru`: an evicted feed is filled again, but a full Redis accepts no more photos."


class RedisFeeds:
    """`url` is `redis://host:port/DB?prefix=TEXT`; all keys start with the prefix. Safe to share between threads."""

    def __init__(self, url: str, password: str | None = None) -> None:
        self._redis, self._prefix = connect(url, password, _TIMEOUT_S, _RETRY)
        self._add = self._redis.register_script(_ADD)

    def add(self, photo_id: str, user_ids: Collection[str]) -> None:
        """One round trip for each few hundred users. If it raises, some feeds may have the photo."""
        keys = [self._key(user_id) for user_id in user_ids]
        for round_trip in _slices(keys, _FEEDS_PER_ROUND_TRIP):
            with errors_as_unavailable("the feeds"), self._redis.pipeline(transaction=False) as pipeline:
                for feeds in _slices(round_trip, _FEEDS_PER_SCRIPT):
                    self._add(feeds, [photo_id, _TRIM_TO_RANK], client=pipeline)
                pipeline.execute()

    def page(self, user_id: str, before: str | None, limit: int) -> list[str] | None:
        key = self._key(user_id)
        # Never above `_COMPLETE`, which is not an id and must not be returned as one.
        bound = min(exclusive_upper_bound(before), _COMPLETE)
        with errors_as_unavailable("the feeds"), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zscore(key, _COMPLETE)
            pipeline.zrevrangebylex(key, f"({bound}", "-", start=0, num=min(limit, CAP))
            complete, photo_ids = pipeline.execute()
        return list(photo_ids) if complete is not None else None

    def mark_complete(self, user_id: str) -> None:
        with errors_as_unavailable("the feeds"):
            self._redis.zadd(self._key(user_id), {_COMPLETE: 0})

    def remove(self, photo_ids: Collection[str], user_id: str) -> None:
        if photo_ids:
            with errors_as_unavailable("the feeds"):
                self._redis.zrem(self._key(user_id), *photo_ids)

    def check_health(self) -> list[CheckResult]:
        return run_checks(
            [
                HealthCheck("reachable", self._check_version, _REACH),
                HealthCheck("clock", self._check_clock, _INFO),
                HealthCheck("memory", self._check_memory, _INFO),
                HealthCheck("write, read, delete", self._check_write, _WRITE),
            ]
        )

    def close(self) -> None:
        self._redis.close()

    def _check_version(self) -> str:
        with errors_as_unavailable("the feeds"):
            return f"Redis {self._redis.info('server')['redis_version']}"

    def _check_clock(self) -> CheckResult:
        with errors_as_unavailable("the feeds"):
            sent_s = time.time()
            seconds, microseconds = self._redis.time()
            return clock(seconds + microseconds / 1e6, 0.0, sent_s, time.time())

    def _check_memory(self) -> str | CheckResult:
        with errors_as_unavailable("the feeds"):
            memory = self._redis.info("memory")
        used, limit_bytes, policy = memory["used_memory_human"], memory["maxmemory"], memory["maxmemory_policy"]
        if limit_bytes and not policy.startswith("allkeys"):
            return CheckResult("memory", Level.WARNING, f"{used} used; {policy} when it is full", _EVICT)
        return f"{used} used"

    def _check_write(self) -> str:
        key = self._key(f"health-check-{secrets.token_hex(8)}")
        with errors_as_unavailable("the feeds"):
            try:
                self._add([key], ["health-check", _TRIM_TO_RANK])
                self._redis.expire(key, _KEPT_S)
                if self._redis.zrevrangebylex(key, "+", "-") != ["health-check"]:
                    raise Unavailable("reading did not return what was written")
            finally:
                self._redis.delete(key)
        return "done"

    def _key(self, user_id: str) -> str:
        return f"{self._prefix}feed:{user_id}"


def _slices(keys: list[str], size: int) -> Iterator[list[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))
