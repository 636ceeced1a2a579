"""Copies of records: a lane reads a record at its home, and sends it as it then is to its person's second region.

The copy must end as the record's last state, in whatever order it is sent. Several processes may send one record at
once: events come again after a crash, and a process that was suspended goes on with what it read long ago. So:

1. A version is chosen before the record is read: the Unix time. The other region keeps the highest version.
2. Who hears that another version is there chooses a higher one, reads, and sends again.
3. When what was sent is kept, the record is read once more. If it has changed, it is sent again.

So no clock needs to be right. Think of the highest version that is ever sent. Its sender has found the record unchanged
afterwards; or it died before, and then its event is delivered again, to a sender that does not end before its own
version is the highest. And what has changed after that last look has an event too, of which the same is true.

One thing is left: a request that was under way when its sender died, and arrives after its event was handled again. It
is good for a minute (`node_tokens`), and loses unless its sender's clock is ahead by more than that took.

What is gone is sent to every region where a copy may lie, and not only to the second: an earlier statement may have had
another one.
"""

from collections.abc import Callable
from typing import Protocol

from regions import ids
from regions.border.bounds import AHEAD_MS
from regions.border.kinds import KINDS, RecordChange, change_of, text_of
from regions.border.records import SentRecord
from regions.border.second_region import second_region
from regions.errors import BadGateway, ResidencyDenied, Unavailable, Unprocessable
from regions.events.messages import Event
from regions.events.set_aside import A_MINUTE, TEN_MINUTES, NotYet
from regions.residency.decide import Subject
from replication.handlers import LaneHome

_ATTEMPTS = 8


class RecordsBorder(Protocol):
    def keep(self, record: SentRecord) -> int | None:
        """None if the record is kept there now, else the version of the one that is there instead."""
        ...


class RecordHandlers:
    """From `home` to the region `destination`, whose border this is. `clock_ms()` is the Unix time."""

    def __init__(self, home: LaneHome, destination: str, border: RecordsBorder, clock_ms: Callable[[], int]) -> None:
        self._home, self._destination, self._border, self._clock_ms = home, destination, border, clock_ms
        self._catalog = home.stores.catalog

    def handle_changed(self, event: Event) -> None:
        """Does nothing for what has no copy there. Raises NotYet if the record changes faster than it can be sent."""
        change = change_of(event)
        subject = self._subject(change)
        if subject is None:
            return
        least = 0
        for _ in range(_ATTEMPTS):
            version = self._version(least)
            text = text_of(self._catalog, change.name)
            if not self._may_go(change, subject, is_gone=text is None):
                return
            sent = SentRecord(change.name, change.person_id, subject.residency_class, version, _bounded(change, text))
            try:
                other_version = self._border.keep(sent)
            except ResidencyDenied as error:
                # It may have an older statement yet. What this end denies is not sent at all.
                raise NotYet(f"{self._destination} denies it: {error.detail}", TEN_MINUTES) from error
            if other_version is None and text_of(self._catalog, change.name) == text:
                return
            least = max(version, other_version or 0) + 1
        raise NotYet(f"{change.name} changes all the time", A_MINUTE)

    def _version(self, least: int) -> int:
        now_ms = self._clock_ms()
        if least > now_ms + AHEAD_MS:
            raise BadGateway(f"{self._destination} names a version of the future")
        return max(now_ms, least)

    def _may_go(self, change: RecordChange, subject: Subject, is_gone: bool) -> bool:
        action, rules = KINDS[change.name.kind].action, self._home.rules()
        if not is_gone and second_region(rules, subject, action, self._home.region.name) != self._destination:
            return False
        return self._home.decide(change.person_id, subject, [action], self._destination)[action].allowed

    def _subject(self, change: RecordChange) -> Subject | None:
        """None if nothing is known of the person: then nothing of theirs was ever sent.

        Who has no record here says their class with what they say; before version 0.3 they did not.
        """
        residency_class = change.residency_class
        if not residency_class:
            person = self._catalog.users.get(change.person_id)
            residency_class = person.residency_class if person else ""
        newest = self._home.rules().newest
        if newest is None:
            raise Unavailable("no statement is known yet")
        region = newest.region_numbered(ids.parse(ids.USER, change.person_id).region)
        return Subject(residency_class, region.name) if residency_class and region else None


def _bounded(change: RecordChange, text: str | None) -> str | None:
    if text is not None and len(text) > KINDS[change.name.kind].most_chars:
        raise Unprocessable(f"the record {change.name} is too long to be sent")
    return text
