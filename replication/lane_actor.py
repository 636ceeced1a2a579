"""The actor of one lane: it hears each replicator's report once a second, and answers with its budget.

It keeps nothing that the next reports do not bring again: a new one knows all within two seconds.
"""

import time
from collections.abc import Callable

from regions import status_documents
from replication.budget import LEASE_S, LaneBudget, LaneReport, asking, divide, parse_settings

_MOST_PARTITIONS = 10_000
"""Of all topics of a lane."""


def actor_name(home: str, destination: str) -> str:
    return f"lane-{home}-{destination}"


class LaneActor:
    """`clock_s` never goes back."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._reports: dict[str, tuple[float, LaneReport]] = {}
        self._claims: dict[str, tuple[int, float, str]] = {}
        """By partition: the highest generation of it that was seen, when last, and whose it is in that generation."""

    def report(self, name: str, report: str, settings: str) -> str | None:
        """The budget of the replicator `name`, as text: programs may be of two versions. None if it can't read these.

        A partition that somebody has in a newer generation gives the old owner nothing.
        """
        found = status_documents.from_text(LaneReport, report)
        try:
            wanted = parse_settings(settings)
        except ValueError:
            return None
        if found is None or sum(found.partitions.values()) > _MOST_PARTITIONS:
            return None
        now_s = self._clock_s()
        self._reports[name] = now_s, found
        self._reports = {other: last for other, last in self._reports.items() if now_s - last[0] <= LEASE_S}
        self._claim(name, found, now_s)
        backlog = {
            partition: self._reports[owner][1].backlog.get(partition, 0)
            for partition, (_, _, owner) in self._claims.items()
            if owner in self._reports
        }
        divided = divide(wanted, found.partitions, backlog)
        slots = {
            partition: divided.get(partition, 0) if self._claims[partition][2] == name else 0
            for partition in found.generations
        }
        present = {other: last for other, (_, last) in self._reports.items()}
        return status_documents.to_text(LaneBudget(slots, name in asking(present, now_s)))

    def _claim(self, name: str, report: LaneReport, now_s: float) -> None:
        """A claim that nobody has renewed for a lease is forgotten: a log that was made anew begins at generation 1."""
        self._claims = {partition: claim for partition, claim in self._claims.items() if now_s - claim[1] <= LEASE_S}
        for partition, generation in report.generations.items():
            highest, _, owner = self._claims.get(partition, (generation, now_s, name))
            if generation > highest:
                highest, owner = generation, name
            if owner == name and generation == highest:
                self._claims[partition] = generation, now_s, name
