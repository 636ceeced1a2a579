"""What every store of feeds does: by example, and compared with a plain model."""

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regions import ids
from regions.stores.feeds import CAP

NUMBERS = st.integers(0, 15)

fresh_users = (ids.to_public(ids.USER, number) for number in count(1000))


def photo_id(number: int) -> str:
    return ids.to_public(ids.PHOTO, number)


def user_id(number: int) -> str:
    return ids.to_public(ids.USER, number)


def fill(feeds, user: str, numbers) -> None:
    for number in numbers:
        feeds.add(photo_id(number), [user])


def page(feeds, user: str, before: str | None = None, limit: int = 2 * CAP) -> list[str]:
    feeds.mark_complete(user)
    return feeds.page(user, before, limit)


def newest_first(numbers) -> list[str]:
    return [photo_id(number) for number in sorted(numbers, reverse=True)]


def test_a_complete_feed_without_photos_is_empty(feeds):
    """An empty page, not None."""
    assert page(feeds, user_id(1), None, 10) == []


def test_a_feed_that_is_not_marked_complete_is_none(feeds):
    """The photos in it may not be all that belong there. Once it is marked complete, they are in it too."""
    feeds.add(photo_id(1), [user_id(1)])
    assert feeds.page(user_id(1), None, 10) is None
    for _ in range(2):
        feeds.mark_complete(user_id(1))
    assert feeds.page(user_id(1), None, 10) == [photo_id(1)]
    assert feeds.page(user_id(2), None, 10) is None


def test_a_photo_is_added_to_the_feed_of_each_user(feeds):
    """And to no other feed."""
    feeds.add(photo_id(1), {user_id(1), user_id(2)})
    feeds.add(photo_id(2), [])
    assert [page(feeds, user_id(number), None, 10) for number in range(1, 4)] == [[photo_id(1)], [photo_id(1)], []]


def test_a_feed_is_newest_first_in_whatever_order_photos_arrive(feeds):
    """Events arrive in any order."""
    fill(feeds, user_id(1), [2, 5, 1, 4, 3])
    assert page(feeds, user_id(1), None, 10) == newest_first([1, 2, 3, 4, 5])


def test_a_photo_that_is_added_often_is_in_a_feed_once(feeds):
    """Events are delivered at least once."""
    fill(feeds, user_id(1), [1, 2, 1, 1])
    feeds.add(photo_id(2), [user_id(1), user_id(1)])
    assert page(feeds, user_id(1), None, 10) == newest_first([1, 2])


def test_a_page_starts_after_its_cursor(feeds):
    """Even if that photo is no longer in the feed."""
    fill(feeds, user_id(1), range(6))
    feeds.remove([photo_id(3)], user_id(1))
    assert page(feeds, user_id(1), photo_id(3), 2) == newest_first([1, 2])
    assert page(feeds, user_id(1), photo_id(0), 2) == []


def test_photos_are_removed_from_one_feed(feeds):
    """Idempotent, and photos that are not in the feed may be named too."""
    feeds.add(photo_id(1), [user_id(1), user_id(2)])
    feeds.add(photo_id(2), [user_id(1)])
    for _ in range(2):
        feeds.remove({photo_id(1), photo_id(7)}, user_id(1))
    feeds.remove([], user_id(1))
    assert page(feeds, user_id(1), None, 10) == [photo_id(2)]
    assert page(feeds, user_id(2), None, 10) == [photo_id(1)]


def test_a_feed_keeps_the_newest_up_to_its_cap(feeds):
    """A newer photo displaces the oldest one of a full feed; an older one than all of them is not added."""
    numbers = range(1, CAP + 1)
    fill(feeds, user_id(1), numbers)
    assert page(feeds, user_id(1), None, 2 * CAP) == newest_first(numbers)
    fill(feeds, user_id(1), [CAP + 1, 0])
    assert page(feeds, user_id(1), None, 2 * CAP) == newest_first(range(2, CAP + 2))


def test_a_full_feed_does_not_trim_anothers(feeds):
    """Each feed has a cap of its own."""
    feeds.add(photo_id(0), [user_id(2)])
    fill(feeds, user_id(1), range(1, CAP + 2))
    assert page(feeds, user_id(2), None, 10) == [photo_id(0)]


@pytest.mark.parametrize("before", ["", "p_", "nonsense", "~~~~", "\x00", "' OR 1=1 --", "ü" * 64, "\ud800", "-inf"])
def test_a_malformed_cursor_is_harmless(feeds, before):
    """The page may start anywhere, but nothing is raised."""
    feeds.add(photo_id(1), [user_id(1)])
    assert page(feeds, user_id(1), before, 10) in ([], [photo_id(1)])


def test_another_handle_reads_what_was_written(feeds, open_feeds):
    """Immediately, and after the writer has closed."""
    feeds.add(photo_id(1), [user_id(1)])
    assert page(open_feeds(), user_id(1), None, 10) == [photo_id(1)]
    feeds.close()
    assert page(open_feeds(), user_id(1), None, 10) == [photo_id(1)]


def test_threads_share_the_feeds(feeds, threads):
    """No photo is lost when many are added at once."""
    list(threads.map(lambda number: feeds.add(photo_id(number), [user_id(1)]), range(30)))
    assert page(feeds, user_id(1), None, 100) == newest_first(range(30))


def test_feeds_may_be_closed_twice(feeds):
    """Idempotent."""
    feeds.close()
    feeds.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NUMBERS),
        st.tuples(st.just("remove"), st.sets(NUMBERS, max_size=3)),
        st.tuples(st.just("page"), st.none() | NUMBERS, st.integers(1, 4)),
    ),
    max_size=20,
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_feed_is_a_sorted_set_of_photos(feeds, steps):
    """Below the cap, any sequence of calls gives the pages that a plain set of numbers would give."""
    user, model = next(fresh_users), set()
    for name, *arguments in steps:
        if name == "add":
            feeds.add(photo_id(arguments[0]), [user])
            model.add(arguments[0])
        elif name == "remove":
            feeds.remove([photo_id(number) for number in arguments[0]], user)
            model -= arguments[0]
        else:
            before, limit = arguments
            expected = newest_first(number for number in model if before is None or number < before)[:limit]
            assert page(feeds, user, None if before is None else photo_id(before), limit) == expected
    assert page(feeds, user, None, 100) == newest_first(model)


@given(late=st.lists(st.integers(0, CAP + 40), max_size=12))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_full_feed_has_the_newest_of_all_added_photos(feeds, late):
    """In whatever order the last ones arrive, whether they are new, old or already there."""
    feeds.remove([photo_id(number) for number in range(CAP + 41)], user_id(1))
    fill(feeds, user_id(1), range(20, CAP + 20))
    fill(feeds, user_id(1), late)
    added = {*range(20, CAP + 20), *late}
    assert page(feeds, user_id(1), None, 2 * CAP) == newest_first(added)[:CAP]
