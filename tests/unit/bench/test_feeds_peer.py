"""The commands that redis-benchmark runs, and how its output is read."""

import pytest

from bench.ports import feeds
from regions.stores.feeds import CAP

# Of redis-benchmark 7.0.15.
_CSV = (
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n'
    '"ZREMRANGEBYRANK feed:u___rand_int__ 0 -502","347826.09","0.694","0.312","0.567","1.407","1.799","2.223"\n'
)


def test_the_requests_a_second_are_read_from_the_csv():
    """By the column's name, not by its position."""
    assert feeds.requests_a_second(_CSV) == 347826.09


def test_warnings_before_the_csv_are_skipped():
    """redis-benchmark prints one if it may not read the server's configuration."""
    warning = "WARNING: Could not fetch server CONFIG\n"
    assert feeds.requests_a_second(warning + _CSV) == 347826.09


@pytest.mark.parametrize("output", ["", _CSV.splitlines()[0], "ERR Protocol error\n", "Could not connect to Redis\n\n"])
def test_output_without_a_figure_raises(output):
    """A benchmark without its peer's figure must not continue."""
    with pytest.raises(ValueError, match="no figure"):
        feeds.requests_a_second(output)


def test_the_peer_adds_a_member_and_trims_to_the_size_of_a_full_feed():
    """500 photos and the marker stay; there are as many requests as followers."""
    add, trim = feeds.peer_commands(6379)
    assert add[-4:] == ["ZADD", "feed:u___rand_int__", "0", "p_9__rand_int__"]
    assert trim[-4:] == ["ZREMRANGEBYRANK", "feed:u___rand_int__", "0", str(-(CAP + 2))]
    assert add[add.index("-n") + 1] == trim[trim.index("-r") + 1] == "10000"
