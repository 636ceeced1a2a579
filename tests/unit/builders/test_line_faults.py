"""Where a fault strikes, and that faults drawn at random are the same for the same seed."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import line_faults
from tests.builders.line_faults import Aim, BodyPart, FaultKind, LineFault, distant, from_text, random_faults, to_text

NAMES = {"corrupt", "far", "one way", "reset", "slow", "stalled", "truncated"}


@given(st.integers(0, 50), st.lists(st.integers(1, 20), min_size=1, max_size=10))
def test_a_fault_strikes_once_after_its_bytes(after_bytes, sizes):
    """Whatever pieces they come in; not at all if there are not more."""
    aim, hits, passed = Aim(LineFault(FaultKind.CORRUPT, after_bytes)), [], 0
    for size in sizes:
        at = 0
        while (hit := aim.next_hit(at, size, ())) is not None:
            hits.append(passed + hit)
            at = hit
        passed += size
    assert hits == ([after_bytes] if after_bytes < passed else [])


def test_a_fault_in_bodies_strikes_each_message_once():
    """And none whose body is not longer than what passes first."""
    aim = Aim(LineFault(FaultKind.CORRUPT, 3, in_body=True))
    bodies = [BodyPart(10, 15, 0, 1), BodyPart(20, 23, 0, 2), BodyPart(30, 32, 0, 3)]
    assert aim.next_hit(0, 32, bodies) == 13
    assert aim.next_hit(13, 32, bodies) is None
    assert aim.next_hit(0, 9, [BodyPart(2, 9, 2, 3)]) == 3


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_draws_the_same_faults_again(seed):
    """Others than the next seed, and each kind once before one comes again."""
    drawn = list(islice(random_faults(seed), 70))
    assert drawn == list(islice(random_faults(seed), 70)) != list(islice(random_faults(seed + 1), 70))
    assert [{spell.name for spell in drawn[at : at + 7]} for at in range(0, 70, 7)] == [NAMES] * 10


def test_every_fault_that_is_drawn_is_worse_than_the_usual_line():
    """Which it leaves as far away as it is."""
    usual = distant(0.02)
    for spell in islice(random_faults(1, usual), 200):
        assert spell.line != usual
        assert {spell.line.requests.delay_s, spell.line.responses.delay_s} == {0.04 if spell.name == "far" else 0.01}
        assert 0 < spell.lasts_s < 10


def test_lines_are_written_and_read():
    """All that is ever drawn."""
    lines = [line_faults.HEALTHY, *(spell.line for spell in islice(random_faults(2), 100))]
    assert [from_text(to_text(line)) for line in lines] == lines


@pytest.mark.parametrize(("rate", "size"), [(None, 1 << 18), (1e9, 1 << 18), (1e6, 20_000), (1.0, 1024)])
def test_a_slow_line_sends_small_pieces(rate, size):
    """So that it sends all the time, and not all at once."""
    assert line_faults.OneDirection(bytes_per_s=rate).piece_bytes == size
