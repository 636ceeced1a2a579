"""What only Redis does to feeds: it loses them, and it is unavailable."""

import os
import socket

import pytest
import redis

from regions.errors import Unavailable
from regions.stores.health import Level
from regions.stores.redis.feeds import RedisFeeds
from tests.builders.redis_database import fresh_url

pytestmark = pytest.mark.xdist_group("redis_database_7")

DATABASE = 7


@pytest.fixture
def url():
    """The URL of a database that only this file uses, with a prefix of its own."""
    return fresh_url(DATABASE)


@pytest.fixture
def feeds(url):
    opened = RedisFeeds(url)
    yield opened
    opened.close()


@pytest.fixture
def server(url):
    with redis.Redis.from_url(url.split("?")[0], decode_responses=True) as client:
        yield client


def test_a_lost_feed_has_no_page(feeds, server):
    """Even if photos were added to it since."""
    feeds.mark_complete("u_1")
    feeds.add("p_1", ["u_1"])
    server.flushdb()
    assert feeds.page("u_1", None, 10) is None
    feeds.add("p_2", ["u_1"])
    assert feeds.page("u_1", None, 10) is None


def test_a_lost_feed_can_be_filled_and_marked_complete_again(feeds, server):
    """With the photos that were added since it was lost."""
    feeds.mark_complete("u_1")
    server.flushdb()
    feeds.add("p_1", ["u_1"])
    feeds.mark_complete("u_1")
    assert feeds.page("u_1", None, 10) == ["p_1"]


def test_photos_can_be_added_after_redis_was_restarted(feeds, server):
    """A restarted Redis has lost our script, which is then sent again."""
    feeds.mark_complete("u_1")
    server.script_flush()
    feeds.add("p_1", ["u_1"])
    assert feeds.page("u_1", None, 10) == ["p_1"]


def test_every_follower_gets_the_photo_if_there_are_more_than_one_round_trip_takes(feeds):
    followers = [f"u_{number:04}" for number in range(601)]
    for follower in followers:
        feeds.mark_complete(follower)
    feeds.add("p_1", followers)
    assert {tuple(feeds.page(follower, None, 2)) for follower in followers} == {("p_1",)}


def test_two_prefixes_in_one_database_are_two_stores(feeds, url):
    feeds.mark_complete("u_1")
    other = RedisFeeds(f"{url}other:")
    assert other.page("u_1", None, 10) is None
    other.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda feeds: feeds.add("p_1", ["u_1"]),
        lambda feeds: feeds.page("u_1", None, 10),
        lambda feeds: feeds.mark_complete("u_1"),
        lambda feeds: feeds.remove(["p_1"], "u_1"),
    ],
    ids=["add", "page", "mark complete", "remove"],
)
def test_without_a_server_every_method_raises_unavailable(call):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        feeds = RedisFeeds(f"redis://127.0.0.1:{bound.getsockname()[1]}/0")
        with pytest.raises(Unavailable):
            call(feeds)
        feeds.close()


def test_a_health_check_leaves_no_key_behind(feeds, server):
    assert {result.level for result in feeds.check_health()} == {Level.OK}
    assert list(server.scan_iter("*health-check*")) == []


def test_the_health_check_reports_a_user_who_may_not_write(url, server):
    """As the only failure, and with advice."""
    name = f"reader-{os.urandom(4).hex()}"
    allowed = ["+info", "+time", "+@connection"]
    server.acl_setuser(name, enabled=True, passwords=["+secret"], keys=["*"], commands=allowed)
    opened = RedisFeeds(url.replace("redis://", f"redis://{name}@"), "secret")
    failures = [result for result in opened.check_health() if result.level is not Level.OK]
    opened.close()
    server.acl_deluser(name)
    assert [(failure.what, bool(failure.advice)) for failure in failures] == [("write, read, delete", True)]
