"""What only Redis does to limits: it does not answer, it forgets, and its clock steps."""

import socket
import time

import pytest
import redis

from regions.errors import Unavailable
from regions.stores.health import Level
from regions.stores.limits import Limit, Wanted, is_granted
from regions.stores.memory_limits import MemoryLimits
from regions.stores.redis import adapter
from regions.stores.redis.limits import RedisLimits
from tests.builders.redis_database import fresh_url

pytestmark = pytest.mark.xdist_group("redis_database_8")

DATABASE = 8
THREE = [Wanted(Limit("three", 3, 600), "ana")]


@pytest.fixture
def silent():
    """The URL of a server that accepts connections and says nothing, as a frozen Redis does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def url():
    return fresh_url(DATABASE)


@pytest.fixture
def server(url):
    with redis.Redis.from_url(url.split("?")[0], decode_responses=True) as client:
        yield client


def key(url: str) -> str:
    return f"{url.partition('prefix=')[2]}limit:ana"


def test_a_redis_that_says_nothing_is_waited_for_a_tenth_of_a_second(silent):
    begun_s = time.monotonic()
    with pytest.raises(Unavailable):
        RedisLimits(silent).take(THREE)
    assert time.monotonic() - begun_s < 0.5


def test_while_redis_says_nothing_a_process_counts_for_itself_and_waits_only_once(silent):
    limits = adapter.limits(silent, MemoryLimits(lambda: 0))
    begun_s = time.monotonic()
    assert [is_granted(limits.take(THREE)) for _ in range(50)] == [True] * 3 + [False] * 47
    assert time.monotonic() - begun_s < 0.8


def test_a_redis_that_is_away_fails_its_health_check_with_advice(silent):
    (result,) = RedisLimits(silent).check_health()
    assert result.level is Level.FAILURE
    assert "REGION.limits" in result.advice


def test_what_is_kept_ends_by_itself_when_the_limit_is_refilled(url, server):
    limits = RedisLimits(url)
    limits.take(THREE)
    assert 190_000 < server.pttl(key(url)) <= 200_000
    limits.take(THREE)
    assert 390_000 < server.pttl(key(url)) <= 400_000
    limits.give_back([Wanted(THREE[0].limit, "ana", 2)])
    assert not server.exists(key(url))


def test_a_clock_that_stepped_back_keeps_nobody_out_for_longer_than_a_refill(url, server):
    """As if Redis' clock had been a day ahead when the units were taken."""
    limits, day_ahead_us = RedisLimits(url), int((time.time() + 86_400) * 1e6)
    server.set(key(url), day_ahead_us)
    (standing,) = limits.take(THREE)
    assert standing.retry_after_s == pytest.approx(200, abs=2)
    assert int(server.get(key(url))) < (time.time() + 601) * 1e6


def test_what_redis_forgot_is_a_whole_supply(url, server):
    limits = RedisLimits(url)
    assert [is_granted(limits.take(THREE)) for _ in range(4)] == [True] * 3 + [False]
    server.delete(key(url))
    assert is_granted(limits.take(THREE))
