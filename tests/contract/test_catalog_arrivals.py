"""Which copies may still arrive, in every catalog: the latest time counts, and a deletion and an offer meet."""

from itertools import permutations

import pytest

from regions.clock import now_ms
from regions.records import Tombstone
from tests.builders import scripts

RACES = 25
IN_A_MINUTE_MS = 60_000

# Opens the catalog, waits for the start, and for each photo writes first and reads then.
COMMON = """
import pickle, sys
from regions.records import Tombstone
open_catalog, photo_ids, until_ms = pickle.load(sys.stdin.buffer)
catalog = open_catalog()
print("ready", flush=True)
sys.stdin.buffer.readline()
"""
RACER = (
    COMMON
    + """
for photo_id in photo_ids:
    if until_ms is None:
        catalog.photos.delete(Tombstone(photo_id, "", 1), None)
        print(catalog.arrivals.until(photo_id) is not None)
    else:
        catalog.arrivals.expect(photo_id, until_ms)
        print(catalog.tombstones.get(photo_id) is not None)
"""
)


@pytest.fixture
def until_ms():
    return now_ms() + IN_A_MINUTE_MS


def test_nothing_is_expected_of_an_unknown_photo(catalog, sample):
    assert catalog.arrivals.until(sample.photo_id(1)) is None


def test_what_is_expected_is_seen_by_every_process(catalog, open_catalog, sample, until_ms):
    """At once. It says nothing of another photo."""
    catalog.arrivals.expect(sample.photo_id(1), until_ms)
    other = open_catalog()
    assert other.arrivals.until(sample.photo_id(1)) == until_ms
    assert other.arrivals.until(sample.photo_id(2)) is None


@pytest.mark.parametrize("order", list(permutations([0, 1, 2])))
def test_the_latest_time_counts(catalog, sample, until_ms, order):
    """In whatever order the calls come, and however often."""
    for later_ms in (*order, order[0]):
        catalog.arrivals.expect(sample.photo_id(1), until_ms + later_ms)
    assert catalog.arrivals.until(sample.photo_id(1)) == until_ms + 2


def test_a_time_that_is_over_is_known_for_an_hour(catalog, sample):
    """As the clocks of two processes may differ."""
    half_an_hour_ago_ms = now_ms() - 1_800_000
    catalog.arrivals.expect(sample.photo_id(1), half_an_hour_ago_ms)
    assert catalog.arrivals.until(sample.photo_id(1)) == half_an_hour_ago_ms


def test_a_later_copy_is_expected_after_an_earlier_one(catalog, sample, until_ms):
    """Also when that one is over, or so long ago that it may be forgotten."""
    for ago_ms in (2 * 3_600_000, 1_800_000):
        catalog.arrivals.expect(sample.photo_id(1), now_ms() - ago_ms)
    catalog.arrivals.expect(sample.photo_id(1), until_ms)
    assert catalog.arrivals.until(sample.photo_id(1)) == until_ms


def test_of_many_at_once_the_latest_counts(catalog, open_catalog, sample, until_ms, threads):
    """Of threads that share a handle, and others."""
    handles = [catalog, open_catalog()]

    def expect(number: int) -> None:
        handles[number % 2].arrivals.expect(sample.photo_id(1), until_ms + 37 * number % 100)

    list(threads.map(expect, range(100)))
    assert {one.arrivals.until(sample.photo_id(1)) for one in handles} == {until_ms + 99}


def test_of_a_deletion_and_an_offer_at_least_one_sees_the_other(open_catalog, sample, until_ms):
    """Two processes write first and read then."""
    photo_ids = [sample.photo_id(number) for number in range(RACES)]
    deletions = (open_catalog.another_process, photo_ids, None)
    offers = (open_catalog.another_process, photo_ids, until_ms)
    printed = scripts.run_at_once(RACER, deletions, offers)
    assert [len(lines) for lines in printed] == [RACES, RACES]
    assert all("True" in pair for pair in zip(*printed, strict=True))


def test_a_deletion_forgets_nothing(catalog, sample, until_ms):
    """A copy may still arrive afterwards: its tombstone does not stop it."""
    catalog.arrivals.expect(sample.photo_id(1), until_ms)
    catalog.photos.delete(Tombstone(sample.photo_id(1), sample.user_id(1), 1), None)
    assert catalog.arrivals.until(sample.photo_id(1)) == until_ms
