"""What to do with an event after each outcome, without doing it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from regions.errors import Unavailable
from regions.events.handling import ATTEMPTS, GiveUp, Handle, Pause, PublishFailure, instructions
from regions.events.messages import Event, Unreadable
from regions.events.set_aside import TEN_MINUTES, NotYet

EVENT = Event("photo_ready", "p_1", "photo_ready:1", 1, {})
ERRORS = st.sampled_from([Unavailable("down"), ValueError("poison")])


def carried_out(event, outcomes) -> list:
    """The instructions, if each but the pauses ends with the next of these outcomes, and later ones with success."""
    steps, taken, outcomes = instructions(event), [], iter(outcomes)
    try:
        step = next(steps)
        while True:
            taken.append(step)
            step = steps.send(None if isinstance(step, Pause) else next(outcomes, None))
    except StopIteration:
        return taken


@given(st.lists(ERRORS, max_size=40))
def test_an_event_is_handled_or_in_the_dead_letters_in_the_end(errors):
    """It ends with one of the two, and a pause comes between any two attempts at the same thing."""
    taken = carried_out(EVENT, errors)
    assert isinstance(taken[-1], Handle | PublishFailure)
    for before, after in pairwise(taken):
        assert type(before) is not type(after)


@given(st.lists(ERRORS, max_size=40))
def test_an_event_is_attempted_so_often_while_stores_are_available(errors):
    """Attempts at which a store was down don't count."""
    taken = carried_out(EVENT, errors)
    attempts = sum(isinstance(step, Handle) for step in taken)
    unavailable = sum(isinstance(error, Unavailable) for error in errors[:attempts])
    gave_up = any(isinstance(step, GiveUp) for step in taken)
    assert attempts - unavailable == ATTEMPTS if gave_up else attempts - unavailable <= ATTEMPTS


def test_what_can_not_be_read_is_not_handled():
    unreadable = Unreadable("photo_ready", "", "unreadable:1", "{", "not an event")
    assert carried_out(unreadable, []) == [PublishFailure("not an event")]


@given(st.lists(ERRORS, max_size=ATTEMPTS - 1))
def test_a_handler_that_finds_it_too_early_is_called_again_after_its_delay(errors):
    """At once, without further attempts and without being given up."""
    taken = carried_out(EVENT, [*errors, NotYet("in a moment", TEN_MINUTES), ValueError("poison")])
    assert taken[-1] == taken[-3] == PublishFailure("in a moment", TEN_MINUTES)
    assert taken.count(Handle()) == len(errors) + 1
    assert not any(isinstance(step, GiveUp) for step in taken)
