"""What to do with one event until it is done: handle it, pause after an error, give up, publish a dead letter.

Instructions out, outcomes in. Those who carry them out, on threads or on an event loop, decide nothing themselves.

When handling raises Unavailable, a store is down: the event is retried for as long as that lasts. Any other error
counts as an attempt. After `ATTEMPTS` of them the event goes to the dead letters with its error, so that one poisoned
event does not block the rest for long. What can't be read as an event goes there at once. In place of the dead letters,
a lane has topics with a delay (`set_aside`), and its handlers may ask to be called again later: NotYet. Pure.
"""

from collections.abc import Generator
from dataclasses import dataclass

from regions.errors import Unavailable
from regions.events.messages import Event, Unreadable
from regions.events.set_aside import Delay, NotYet

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Handle:
    """Call the handler with the event."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Report that the event is given up, because of `error`."""

    error: Exception


@dataclass(frozen=True, slots=True)
class PublishFailure:
    """Publish the event with its error, as a dead letter or, of a lane, to be tried again after a delay.

    `delay` is the one that its handler asked for, if it did.
    """

    error: str
    delay: Delay | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait as long as belongs to this attempt, counted from 1; if the process is stopping, end with `error`."""

    attempt: int
    error: Exception


Instruction = Handle | GiveUp | PublishFailure | Pause
Instructions = Generator[Instruction, Exception | None, None]
"""Send each instruction's outcome: the error that it raised, or None. At the end, the event is done."""


def instructions(event: Event | Unreadable) -> Instructions:
    if isinstance(event, Unreadable):
        yield from _until_published(PublishFailure(event.error))
        return
    error = yield from _attempts()
    if isinstance(error, NotYet):
        yield from _until_published(PublishFailure(str(error), error.delay))
    elif error is not None:
        yield from _while_unavailable(GiveUp(error))
        yield from _until_published(PublishFailure(repr(error)))


def _attempts() -> Generator[Instruction, Exception | None, Exception | None]:
    """Returns the error of the last attempt; None if the event is handled."""
    unavailable_count = failed = 0
    while (error := (yield Handle())) is not None:
        if isinstance(error, Unavailable):
            unavailable_count += 1
            yield Pause(unavailable_count, error)
            continue
        failed += 1
        if failed >= ATTEMPTS or isinstance(error, NotYet):
            return error
        yield Pause(failed, error)
    return None


def _while_unavailable(instruction: Instruction) -> Instructions:
    """Repeats it while a store is down. Another error of giving up must not keep the event from being published."""
    failed = 0
    while isinstance(error := (yield instruction), Unavailable):
        failed += 1
        yield Pause(failed, error)


def _until_published(instruction: PublishFailure) -> Instructions:
    """Tries for as long as it takes, whatever goes wrong: otherwise the event would be lost."""
    failed = 0
    while (failure := (yield instruction)) is not None:
        failed += 1
        yield Pause(failed, failure)
