"""What only Redis does to feeds: it loses them, and it is not there."""

import os
import socket

import pytest
import redis

from regions.errors import Unavailable
from regions.stores.health import Level
from regions.stores.redis.feeds import RedisFeeds

pytestmark = pytest.mark.xdist_group("redis_database_7")

DATABASE = 7


@pytest.fixture
def url():
    """Of a database that is ours, and empty."""
    if "DARKROOM_TEST_REDIS" not in os.environ:
        if os.environ.get("CI"):
            pytest.fail("DARKROOM_TEST_REDIS must say where Redis is: python -m deploy.servers run -- pytest")
        pytest.skip("DARKROOM_TEST_REDIS names no Redis: python -m deploy.servers run -- pytest")
    return f"redis://{os.environ['DARKROOM_TEST_REDIS']}/{DATABASE}?prefix=test-{os.urandom(8).hex()}:"


@pytest.fixture
def feeds(url):
    opened = RedisFeeds(url)
    yield opened
    opened.close()


@pytest.fixture
def server(url):
    with redis.Redis.from_url(url.split("?")[0], decode_responses=True) as client:
        yield client


def test_a_feed_that_was_lost_is_not_known(feeds, server):
    """Also where photos came into it since."""
    feeds.mark_complete("u_1")
    feeds.add("p_1", ["u_1"])
    server.flushdb()
    assert feeds.page("u_1", None, 10) is None
    feeds.add("p_2", ["u_1"])
    assert feeds.page("u_1", None, 10) is None


def test_a_feed_that_was_lost_can_be_begun_again(feeds, server):
    """Filled, and then begun."""
    feeds.mark_complete("u_1")
    server.flushdb()
    feeds.add("p_1", ["u_1"])
    feeds.mark_complete("u_1")
    assert feeds.page("u_1", None, 10) == ["p_1"]


def test_feeds_are_added_to_by_a_server_that_was_started_again(feeds, server):
    """It has forgotten our script."""
    feeds.mark_complete("u_1")
    server.script_flush()
    feeds.add("p_1", ["u_1"])
    assert feeds.page("u_1", None, 10) == ["p_1"]


def test_more_followers_than_a_page_all_get_the_photo(feeds):
    """To the last one."""
    followers = [f"u_{number:04}" for number in range(601)]
    for follower in followers:
        feeds.mark_complete(follower)
    feeds.add("p_1", followers)
    assert {tuple(feeds.page(follower, None, 2)) for follower in followers} == {("p_1",)}


def test_two_prefixes_are_two_stores(feeds, url):
    """In one database."""
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
    ids=["add", "page", "begin", "remove"],
)
def test_without_a_server_every_method_says_so(call):
    """Unavailable."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        feeds = RedisFeeds(f"redis://127.0.0.1:{nobody.getsockname()[1]}/0")
        with pytest.raises(Unavailable):
            call(feeds)
        feeds.close()


def test_an_examination_leaves_no_key(feeds, server, url):
    """Of its own, or of anybody's."""
    assert {finding.level for finding in feeds.check_health()} == {Level.OK}
    assert list(server.scan_iter("*examination*")) == []


def test_a_user_who_may_not_write_is_found_out(url, server):
    """The one failure says what to allow."""
    name = f"reader-{os.urandom(4).hex()}"
    allowed = ["+info", "+time", "+@connection"]
    server.acl_setuser(name, enabled=True, passwords=["+secret"], keys=["*"], commands=allowed)
    opened = RedisFeeds(url.replace("redis://", f"redis://{name}@"), "secret")
    failures = [finding for finding in opened.check_health() if finding.level is not Level.OK]
    opened.close()
    server.acl_deluser(name)
    assert [(one.what, bool(one.advice)) for one in failures] == [("write, read, delete", True)]
