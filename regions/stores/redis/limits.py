"""The limits port over Redis: one number for each key, by Redis' own clock, which expires when the limit is refilled.

One script and one round trip for each request, whatever it takes. No command is repeated: units might be taken twice.
"""

import secrets
from collections.abc import Sequence

from redis.backoff import NoBackoff
from redis.retry import Retry

from regions.errors import Unavailable
from regions.stores import gcra
from regions.stores.health import CheckResult, HealthCheck, run_checks
from regions.stores.limits import Limit, Standing, Wanted, is_granted
from regions.stores.redis.connection import connect, errors_as_unavailable

# `gcra.held` and `gcra.after`. The numbers stay below 2^53, to which Lua's are exact. Returns the time and what was
# held before.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer, kept, fits = {now}, {}, true
for number, key in ipairs(KEYS) do
    local cost, latest = tonumber(ARGV[2 * number - 1]), now + tonumber(ARGV[2 * number])
    kept[number] = tonumber(redis.call('GET', key) or now)
    answer[number + 1] = math.min(math.max(kept[number], now), latest)
    fits = fits and answer[number + 1] + cost <= latest
end
for number, key in ipairs(KEYS) do
    local at = answer[number + 1]
    if fits then at = at + tonumber(ARGV[2 * number - 1]) end
    if at <= now then
        redis.call('DEL', key)
    elseif at ~= kept[number] then
        redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000))
    end
end
return answer
"""
_TIMEOUT_S = 0.1

_REACH = "Check that Redis runs at the topology's address and accepts the password in the secret REGION.limits."
_WRITE = "Allow the user scripts, GET, SET, DEL and TIME on the prefix's keys; name the primary, not a replica."
_PROBE = Limit("health-check", 1, 60)


class RedisLimits:
    """`url` is `redis://host:port/DB?prefix=TEXT`; all keys start with the prefix. Safe to share between threads."""

    def __init__(self, url: str, password: str | None = None) -> None:
        self._redis, self._prefix = connect(url, password, _TIMEOUT_S, Retry(NoBackoff(), 0))
        self._script = self._redis.register_script(_TAKE)

    def take(self, wanted: Sequence[Wanted]) -> list[Standing]:
        now_us, *held_us = self._run(wanted, [gcra.cost_us(one) for one in wanted])
        return gcra.standings(wanted, held_us, now_us)

    def give_back(self, wanted: Sequence[Wanted]) -> None:
        self._run(wanted, [-gcra.cost_us(one) for one in wanted])

    def check_health(self) -> list[CheckResult]:
        return run_checks(
            [
                HealthCheck("reachable", self._check_version, _REACH),
                HealthCheck("take, give back", self._check_take, _WRITE),
            ]
        )

    def close(self) -> None:
        self._redis.close()

    def _run(self, wanted: Sequence[Wanted], costs_us: Sequence[int]) -> list[int]:
        keys = [f"{self._prefix}limit:{one.key}" for one in wanted]
        numbers = [(cost, gcra.capacity_us(one.limit)) for cost, one in zip(costs_us, wanted, strict=True)]
        with errors_as_unavailable("the limits"):
            answer = self._script(keys, [number for pair in numbers for number in pair])
        return [int(number) for number in answer]

    def _check_version(self) -> str:
        with errors_as_unavailable("the limits"):
            return f"Redis {self._redis.info('server')['redis_version']}"

    def _check_take(self) -> str:
        wanted = [Wanted(_PROBE, f"health-check-{secrets.token_hex(8)}")]
        try:
            if not is_granted(self.take(wanted)) or is_granted(self.take(wanted)):
                raise Unavailable("what was taken is not counted")
        finally:
            self.give_back(wanted)
        return "done"
