"""Events that a lane could not handle: they are set aside, and tried again in a minute, in ten, and then each hour.

Tried on and on in its place, such an event would stop those behind it. In the dead letters it would be forgotten,
although its cause may pass: an object that is missing at home for a while, a destination that refuses, a defect that
the next version repairs. So the lane publishes it into a topic with a delay, within an event that says for which lane
it is, how often it was tried and since when, and when it is due; in its own topic it then counts as done. A week after
it was first set aside, it goes to the dead letters, but for a deletion, which is never given up. (That is not the age
of the event itself: a lane whose destination was away for days meets old events, and each of them may fail for another
reason.)

A topic has one delay, so the first event of a partition is also the first that is due, and its reader waits for that
one alone.

An event that was set aside is handled after later events of its key, and perhaps twice: after a crash between its
publication and the commit in its own topic. Neither does harm if the handler takes from the event only what it is
about, and reads what is true of that now. A photo that was deleted meanwhile has a tombstone, which wins; whether
somebody follows an author is in the catalog.

Pure.
"""

from dataclasses import dataclass

from regions.events.messages import (
    MAX_ERROR_CHARS,
    Event,
    UnreadableEvent,
    dead_letter,
    from_document,
    from_text,
    to_document,
)
from regions.events.topics import (
    ENVELOPES,
    LANES_IN_A_MINUTE,
    LANES_IN_AN_HOUR,
    LANES_IN_TEN_MINUTES,
    PHOTO_DELETED,
)

GIVE_UP_AFTER_MS = 7 * 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Delay:
    """How long the events of `topic` wait."""

    topic: str
    ms: int


A_MINUTE = Delay(LANES_IN_A_MINUTE, 60_000)
TEN_MINUTES = Delay(LANES_IN_TEN_MINUTES, 600_000)
AN_HOUR = Delay(LANES_IN_AN_HOUR, 3_600_000)

DELAYS = (A_MINUTE, TEN_MINUTES, AN_HOUR)
"""One after the other; the last one again and again."""

_DELAY_OF = {delay.topic: delay for delay in DELAYS}


class NotYet(Exception):
    """A lane's handler raises this to be called again after `delay`, when nothing failed but it is too early.

    An exception and no return value, so that a handler returns only when its event is done, from however deep. No
    further attempt follows at once, as after an error. Only handlers of lanes may raise it: a group without delays has
    only the dead letters.
    """

    def __init__(self, detail: str, delay: Delay) -> None:
        super().__init__(detail)
        self.delay = delay


@dataclass(frozen=True, slots=True)
class SetAside:
    """`event` is tried again by the lane with this consumer group. `tries` rounds have failed so far."""

    event: Event
    group: str
    delay: Delay
    tries: int
    since_ms: int
    due_ms: int
    error: str

    def wait_ms(self, now_ms: int) -> int:
        """Until it is due; 0 if it is. A clock that was set back does not make it wait for longer than its delay."""
        left_ms = self.due_ms - now_ms
        return left_ms if 0 < left_ms <= self.delay.ms else 0


def after_failure(event: Event, group: str, error: str, wanted: Delay | None, now_ms: int) -> Event:
    """What to publish of an event that the lane could not handle now: set aside, or in the end a dead letter.

    A deletion is never given up.

    The event may have been set aside before. `wanted` is the delay that its handler asked for.
    """
    before = None
    if event.topic in _DELAY_OF:
        try:
            before = parse(event)
        except UnreadableEvent:
            return dead_letter(event, group, error, now_ms)
    original, tries, since_ms = (before.event, before.tries, before.since_ms) if before else (event, 0, now_ms)
    if now_ms - since_ms >= GIVE_UP_AFTER_MS and original.topic != PHOTO_DELETED:
        return dead_letter(original, group, error, now_ms)
    delay = wanted or DELAYS[min(tries, len(DELAYS) - 1)]
    return to_event(SetAside(original, group, delay, tries + 1, since_ms, now_ms + delay.ms, error), now_ms)


def from_dead_letter(letter: Event, group: str, now_ms: int) -> SetAside | None:
    """The event in a dead letter of the group, due at once and as if it had never been tried; None of another group.

    Raises UnreadableEvent, also for what was no event to the program that gave it up and is none to this one.
    """
    body = letter.body
    if body.get("group") != group:
        return None
    event = from_text(str(body["text"])) if "text" in body else from_document(body.get("event"))
    if event.topic in ENVELOPES:
        raise UnreadableEvent(f"an event of {event.topic} that can't be read")
    return SetAside(event, group, A_MINUTE, 0, now_ms, now_ms, str(body.get("error", "")))


def to_event(one: SetAside, at_ms: int) -> Event:
    body = {
        "event": to_document(one.event),
        "group": one.group,
        "tries": one.tries,
        "since_ms": one.since_ms,
        "due_ms": one.due_ms,
        "error": one.error[:MAX_ERROR_CHARS],
    }
    topic = one.delay.topic
    event_id = f"{topic}:{one.group}:{one.since_ms}:{one.tries}:{one.event.event_id}"
    return Event(topic, one.event.key, event_id, at_ms, body)


def parse(event: Event) -> SetAside:
    """The inverse of `to_event`. Raises UnreadableEvent."""
    match event.body:
        case {
            "event": original,
            "group": str(group),
            "tries": int(tries),
            "since_ms": int(since_ms),
            "due_ms": int(due_ms),
            "error": str(error),
        } if event.topic in _DELAY_OF:
            delay = _DELAY_OF[event.topic]
            return SetAside(from_document(original), group, delay, tries, since_ms, due_ms, error)
    raise UnreadableEvent("not an event that was set aside")
