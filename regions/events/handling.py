"""What to do with one event until it is done: handle it, pause after an error, give up, publish a dead letter.

Instructions out, outcomes in. Those who carry them out, on threads or on an event loop, decide nothing themselves.

When handling raises Unavailable, a store is down: the event is retried for as long as that lasts. Any other error
counts as an attempt. After `ATTEMPTS` of them the event goes to the dead letters with its error, so that one poisoned
event does not block the rest for long. What can't be read as an event goes there at once. Pure.
"""

from collections.abc import Generator
from dataclasses import dataclass

from regions.errors import Unavailable
from regions.events.messages import Event, Unreadable

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Handle:
    """Call the handler with the event."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Report that the event goes to the dead letters, because of `error`."""

    error: Exception


@dataclass(frozen=True, slots=True)
class PublishDeadLetter:
    error: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait as long as belongs to this attempt, counted from 1; if the process is stopping, end with `error`."""

    attempt: int
    error: Exception


Instruction = Handle | GiveUp | PublishDeadLetter | Pause
Instructions = Generator[Instruction, Exception | None, None]
"""Send each instruction's outcome: the error that it raised, or None. At the end, the event is done."""


def instructions(event: Event | Unreadable) -> Instructions:
    if isinstance(event, Unreadable):
        yield from _until_published(event.error)
    elif (error := (yield from _attempts())) is not None:
        yield from _while_unavailable(GiveUp(error))
        yield from _until_published(repr(error))


def _attempts() -> Generator[Instruction, Exception | None, Exception | None]:
    """Returns the error of the last attempt; None if the event is handled."""
    unavailable_count = failed = 0
    while (error := (yield Handle())) is not None:
        if isinstance(error, Unavailable):
            unavailable_count += 1
            yield Pause(unavailable_count, error)
            continue
        failed += 1
        if failed >= ATTEMPTS:
            return error
        yield Pause(failed, error)
    return None


def _while_unavailable(instruction: Instruction) -> Instructions:
    """Repeats it while a store is down. Another error of giving up must not keep the event from the dead letters."""
    failed = 0
    while isinstance(error := (yield instruction), Unavailable):
        failed += 1
        yield Pause(failed, error)


def _until_published(error: str) -> Instructions:
    """Tries for as long as it takes, whatever goes wrong: without a dead letter, the event would be lost."""
    failed = 0
    while (failure := (yield PublishDeadLetter(error))) is not None:
        failed += 1
        yield Pause(failed, failure)
