"""Followers in buckets: they stay small, and everybody is listed once, while levels rise and processes are killed."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from regions import ids
from regions.events.messages import follow_changed
from regions.stores.cassandra import follower_buckets
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import Catalog
from tests.builders import scripts
from tests.builders.samples import all_followers

AUTHOR = ids.to_public(ids.USER, 0)
BUCKET_ROWS = 10
LATER_MS = 60_000

pytestmark = pytest.mark.xdist_group("cassandra")

# Before each request of the same follows and unfollows, a process that kills itself; the last one ends by itself. Every
# follow is counted, and each bucket is meant for two followers, so that levels rise in between.
KILLED_FOLLOWERS = """
import os, signal, sys
from itertools import count
from regions.stores.cassandra import adapter as cassandra, follower_buckets
from regions.stores.cassandra.session import CassandraSession
from tests.builders.stores import created
from tests.fault.cassandra.test_cassandra_follows import change, user

errors_as_unavailable = CassandraSession._errors_as_unavailable
follower_buckets.BUCKET_ROWS, follower_buckets.COUNT_ONE_IN = 2, 1

for step in count():
    child = os.fork()
    if child == 0:
        catalog, requests, author_id = created(cassandra.catalog(sys.argv[1])), count(), user(1_000_000 + step)

        def die_or_request(session):
            if next(requests) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return errors_as_unavailable(session)

        CassandraSession._errors_as_unavailable = die_or_request
        for number in (1, 2, 3, 1):
            change(catalog, number, True, author_id)
        change(catalog, 2, False, author_id)
        change(catalog, 3, False, author_id)
        change(catalog, 3, True, author_id)
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        print(step)
        break
"""


def user(number: int) -> str:
    return ids.to_public(ids.USER, number)


def change(catalog: Catalog, number: int, following: bool, author_id: str = AUTHOR) -> None:
    catalog.follows.change(user(number), author_id, following, follow_changed(user(number), author_id, following, 1))


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def small_buckets(monkeypatch):
    """Every follow is counted, and a bucket is meant for ten followers."""
    monkeypatch.setattr(follower_buckets, "BUCKET_ROWS", BUCKET_ROWS)
    monkeypatch.setattr(follower_buckets, "COUNT_ONE_IN", 1)


def bucket_sizes(session: CassandraSession) -> Counter[tuple[int, int]]:
    session.use(session.address.keyspace)
    return Counter(session.execute("SELECT level, bucket FROM followers WHERE author_id = ? ALLOW FILTERING", AUTHOR))


@pytest.mark.usefixtures("small_buckets")
def test_the_buckets_of_an_author_stay_small(open_at, session, threads):
    """However many follow, from several processes at once: their number grows instead."""
    catalogs = [open_at(0) for _ in range(3)]
    list(threads.map(lambda number: change(catalogs[number % 3], number, True), range(1, 401)))
    sizes = bucket_sizes(session)
    assert sizes.total() == 400
    assert max(sizes.values()) < 2.5 * BUCKET_ROWS
    assert {level for level, _ in sizes} == {0, 1, 2, 3, 4, 5}
    assert all_followers(catalogs[0], AUTHOR, limit=7) == [user(number) for number in range(1, 401)]


@pytest.mark.usefixtures("small_buckets")
def test_followers_who_come_and_go_do_not_fill_a_bucket_when_they_all_come_back(open_at, session, threads):
    """They come back to where they were: what counts is who has ever been there."""
    catalog = open_at(0)
    for number in range(1, 101):
        change(catalog, number, True)
        change(catalog, number, False)
    assert bucket_sizes(session) == {}
    list(threads.map(lambda number: change(catalog, number, True), range(1, 101)))
    assert max(bucket_sizes(session).values()) < 2.5 * BUCKET_ROWS


@pytest.mark.usefixtures("small_buckets")
def test_everybody_is_listed_once_while_levels_rise(open_at, threads):
    """Who follows all the time is in every walk. Others follow and unfollow; in the end all are where they belong."""
    catalogs, steady, unsteady = [open_at(0) for _ in range(2)], range(1, 31), range(101, 161)
    for number in steady:
        change(catalogs[0], number, True)

    def follow_and_unfollow(seed):
        chance = random.Random(seed)
        for _ in range(60):
            change(chance.choice(catalogs), chance.choice(unsteady), chance.random() < 0.6)

    changing = [threads.submit(follow_and_unfollow, seed) for seed in range(6)]
    while not all(future.done() for future in changing):
        assert {user(number) for number in steady} <= set(all_followers(catalogs[1], AUTHOR, limit=5))
    for future in changing:
        future.result()
    followers = [
        user(number) for number in (*steady, *unsteady) if catalogs[0].follows.followed_among(user(number), {AUTHOR})
    ]
    assert all_followers(catalogs[0], AUTHOR) == sorted(followers)


def test_a_follow_in_between_levels_is_listed_once(open_at, monkeypatch):
    """Two processes follow with the same user, and the level is raised between them."""
    monkeypatch.setattr(follower_buckets, "BUCKET_ROWS", 1)
    catalog, other, execute_conditional = open_at(0), open_at(0), CassandraSession.execute_conditional

    def another_is_first(session, *calls):
        monkeypatch.setattr(CassandraSession, "execute_conditional", execute_conditional)
        monkeypatch.setattr(follower_buckets, "COUNT_ONE_IN", 1)
        change(other, 1, True)
        return execute_conditional(session, *calls)

    monkeypatch.setattr(CassandraSession, "execute_conditional", another_is_first)
    change(catalog, 1, True)
    assert all_followers(catalog, AUTHOR) == [user(1)]
    change(catalog, 1, False)
    assert all_followers(catalog, AUTHOR) == []


def test_most_follows_are_not_counted(open_at, session, monkeypatch):
    """Only those that the dice choose."""
    catalog = open_at(0)
    monkeypatch.setattr(random, "randrange", lambda most: most - 1)
    change(catalog, 1, True)
    session.use(session.address.keyspace)
    assert session.execute("SELECT assigned FROM follower_levels") == []
    monkeypatch.setattr(random, "randrange", lambda most: 0)
    change(catalog, 2, True)
    assert session.execute("SELECT level, assigned FROM follower_levels") == [(0, 1000)]


def test_a_follow_that_was_cut_off_is_listed_on_both_sides_or_on_none(url, open_at):
    """And has its event. The process was killed before each of its requests in turn."""
    catalog = open_at(LATER_MS)
    (steps,) = scripts.output(KILLED_FOLLOWERS, url, timeout_s=300)
    assert int(steps) > 20
    events = Counter((event.key, event.body["follower_id"]) for event in catalog.outbox.pending(10_000))
    for step in range(int(steps) + 1):
        author_id = user(1_000_000 + step)
        followed = [user(number) for number in (1, 2, 3) if catalog.follows.followed_among(user(number), {author_id})]
        assert all_followers(catalog, author_id) == followed
        assert all((author_id, follower_id) in events for follower_id in followed)
    assert followed == [user(1), user(3)]
