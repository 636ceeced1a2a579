"""Feeds on Redis: a photo's fan-out to 10,000 followers, on feeds of 50 photos and on full ones of 500.

Ours is `RedisFeeds.add`, by one thread over one connection, followers in random order. The peer is redis-benchmark
with the commands of `peer_commands`: one connection and pipelines of 250 (2 to 50 connections and pipelines of 16 to
1,000 were no faster), ZADD of a new member and then ZREMRANGEBYRANK, so that both pay for the trim. redis-benchmark
runs one command at a time and draws its users at random: some come twice in a pass, some not at all, and the next pass
trims what this one has missed.

Between two runs all feeds are trimmed to their size. During the benchmark Redis may use all the memory it needs (10,000
full feeds take 0.5 GB, which it would otherwise evict), and it does not rewrite its append-only file.
"""

import csv
import io
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count

import redis

from bench import harness, interleaved_runs
from regions.stores.feeds import CAP
from regions.stores.redis.feeds import RedisFeeds

_FOLLOWERS = 10_000
_PHOTOS_A_RUN = 4
_REPEATS = 11
_SIZES = (50, CAP)
_GOAL = 0.7
_PEER = "redis-benchmark"
_GET_PEER = "apt-get install redis-tools"
# The entry with which the adapter marks that a feed is complete.
_COMPLETE_MARKS = 1
_COMMANDS_A_PIPELINE = 500


def rows(address: str) -> list[harness.Measurement]:
    host, _, port = address.partition(":")
    feeds = RedisFeeds(f"redis://{address}/0")
    with closing(feeds), redis.Redis(host, int(port)) as server:
        server.config_set("maxmemory", 0)
        server.config_set("auto-aof-rewrite-percentage", 0)
        return [row for size in _SIZES for row in _rows(feeds, server, int(port), size)]


def peer_commands(port: int) -> list[list[str]]:
    """One photo's fan-out by redis-benchmark, which replaces `__rand_int__` by twelve digits."""
    benchmark = [_PEER, "-p", str(port), "-c", "1", "-P", "250", "--csv"]
    spread = ["-n", str(_FOLLOWERS), "-r", str(_FOLLOWERS)]
    user = "feed:u___rand_int__"
    return [
        [*benchmark, *spread, "ZADD", user, "0", "p_9__rand_int__"],
        [*benchmark, *spread, "ZREMRANGEBYRANK", user, "0", str(-(CAP + _COMPLETE_MARKS + 1))],
    ]


def requests_a_second(output: str) -> float:
    """The rate of the one command in redis-benchmark's `--csv` output. Raises ValueError if it has none."""
    _, heading, rest = output.partition('"test"')
    for result in csv.DictReader(io.StringIO(heading + rest)):
        if result.get("rps"):
            return float(result["rps"])
    raise ValueError(f"redis-benchmark printed no figure: {output[:200]!r}")


def _rows(feeds: RedisFeeds, server: "redis.Redis", port: int, size: int) -> list[harness.Measurement]:
    _fill(feeds, server, size)
    users = [_user(number) for number in range(_FOLLOWERS)]
    random.Random(1).shuffle(users)
    numbers = count()

    def ours_s() -> float:
        start_s = time.perf_counter()
        for _ in range(_PHOTOS_A_RUN):
            feeds.add(f"p_8{next(numbers):012}", users)
        return time.perf_counter() - start_s

    def run(work_s: Callable[[], float]) -> dict[str, float]:
        before_s = _server_core_s(server)
        measured = {"wall_s": work_s(), "server_core_s": _server_core_s(server) - before_s}
        _trim(server, users, size)
        return measured

    missing = {} if shutil.which(_PEER) else {_PEER: _GET_PEER}
    contenders = {"ours": partial(run, ours_s)}
    if not missing:
        contenders[_PEER] = partial(run, partial(_peer_s, port))
    measured = interleaved_runs.medians(contenders, _REPEATS)
    followers = _FOLLOWERS * _PHOTOS_A_RUN
    figure = f"fan-out to {_FOLLOWERS:,}, feeds of {size}: followers"
    by_clock, by_core = (interleaved_runs.rates(followers, measured[name]) for name in ("wall_s", "server_core_s"))
    return [
        interleaved_runs.row(f"{figure} a second", "1/s", by_clock, _GOAL, missing=missing),
        interleaved_runs.row(f"{figure} per core-second of Redis", "1/s", by_core, None, missing=missing),
    ]


def _server_core_s(server: "redis.Redis") -> float:
    used = server.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def _peer_s(port: int) -> float:
    """The seconds that redis-benchmark needs for one run, by its own measurement, without the start of its process."""
    taken_s = 0.0
    for command in peer_commands(port) * _PHOTOS_A_RUN:
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        taken_s += _FOLLOWERS / requests_a_second(output)
    return taken_s


def _fill(feeds: RedisFeeds, server: "redis.Redis", size: int) -> None:
    """Gives all followers the same photos, written once and copied."""
    server.flushall()
    feeds.mark_complete("model")
    for number in range(size):
        feeds.add(f"p_1{number:012}", ["model"])
    for users in _batches([_user(number) for number in range(_FOLLOWERS)]):
        with server.pipeline(transaction=False) as pipeline:
            for user in users:
                pipeline.copy("feed:model", f"feed:{user}")
            pipeline.execute()


def _trim(server: "redis.Redis", users: Sequence[str], size: int) -> None:
    for batch in _batches(users):
        with server.pipeline(transaction=False) as pipeline:
            for user in batch:
                pipeline.zremrangebyrank(f"feed:{user}", 0, -(size + _COMPLETE_MARKS + 1))
            pipeline.execute()


def _batches(users: Sequence[str]) -> Iterator[Sequence[str]]:
    return (users[start : start + _COMMANDS_A_PIPELINE] for start in range(0, len(users), _COMMANDS_A_PIPELINE))


def _user(number: int) -> str:
    return f"u_{number:012}"
