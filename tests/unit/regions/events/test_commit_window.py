"""Properties of the commit window: the longest finished prefix is committed, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from regions.events.commit_window import CommitWindow

OFFSETS = st.lists(st.integers(0, 1_000), min_size=1, max_size=12, unique=True).map(sorted)


def shuffled(offsets: list[int]) -> st.SearchStrategy[tuple[list[int], list[int]]]:
    return st.tuples(st.just(offsets), st.permutations(offsets))


def prefix_end(started: list[int], finished: set[int]) -> int | None:
    """The last offset of the longest finished prefix, computed in the simplest way."""
    end = None
    for offset in started:
        if offset not in finished:
            break
        end = offset
    return end


def window_of(offsets: list[int], partition: int = 0) -> CommitWindow:
    window = CommitWindow()
    for offset in offsets:
        window.start(partition, offset)
    return window


@given(OFFSETS.flatmap(shuffled))
def test_the_finished_prefix_is_committed_in_any_order_of_finishing(orders):
    """Each time it grows, and only then."""
    started, order = orders
    window, before = window_of(started), None
    for count, offset in enumerate(order, 1):
        end = prefix_end(started, set(order[:count]))
        assert window.finish(0, offset) == (end if end != before else None)
        before = end
    assert before == started[-1]
    assert len(window) == 0


@given(OFFSETS.flatmap(shuffled), st.data())
def test_nothing_is_committed_past_an_unfinished_event(orders, data):
    """A crash repeats it and doesn't skip it."""
    started, order = orders
    stuck = data.draw(st.sampled_from(started))
    window = window_of(started)
    committed = [window.finish(0, offset) for offset in order if offset != stuck]
    assert all(offset < stuck for offset in committed if offset is not None)
    assert len(window) == len([offset for offset in started if offset >= stuck])


@given(OFFSETS, OFFSETS)
def test_partitions_are_independent(first, second):
    """The same offset in another partition is another event."""
    window = window_of(first)
    for offset in second:
        window.start(1, offset)
    assert [window.finish(1, offset) for offset in second] == second
    assert len(window) == len(first)


@given(OFFSETS)
def test_a_lost_partition_is_forgotten(offsets):
    """If an event of it finishes later, it is not committed."""
    window = window_of(offsets)
    window.keep_only({1, 2})
    assert [window.finish(0, offset) for offset in offsets] == [None] * len(offsets)


@given(OFFSETS, st.data())
def test_a_partition_that_was_assigned_again_starts_anew(offsets, data):
    """It resumes at the last commit, so the events started before don't count any more."""
    again = offsets[data.draw(st.integers(0, len(offsets) - 1)) :]
    window = window_of(offsets)
    for offset in again:
        window.start(0, offset)
    assert [window.finish(0, offset) for offset in again] == again
    assert len(window) == 0


def test_an_event_that_was_not_started_commits_nothing():
    """Nor does one that finishes twice."""
    window = window_of([1, 2])
    assert window.finish(0, 7) is None
    assert window.finish(5, 1) is None
    assert window.finish(0, 1) == 1
    assert window.finish(0, 1) is None
