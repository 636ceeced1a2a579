"""What goes wrong between regions and in them, at random: lines fail in ever other ways, and processes are killed."""

import heapq
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

from tests.builders.line_faults import HEALTHY, FaultKind, Line, Spell, random_faults
from tests.builders.regions_apart import BORDER, OPERATED, RegionsApart

_PAUSE_S = 0.5, 2.5
_DASK_EVERY_S = 10.0
"""A photo that brings down two workers fails, as it should. Those of which a test is about bring down none."""
_LONGEST_S = 600.0


@dataclass
class Chaos:
    """`seed` decides which process is killed when, and how each line fails; not which of them meet."""

    apart: RegionsApart
    seed: int
    kills: list[str] = field(default_factory=list)
    spells: Counter[str] = field(default_factory=Counter)

    @property
    def kinds(self) -> Counter[str]:
        """How many of each kind were killed."""
        regions = self.apart.system.origins
        return Counter(name.removesuffix(f"-{region}") for name in self.kills for region in regions if region in name)

    @contextmanager
    def until_killed(self, count: int) -> Iterator[threading.Event]:
        """Lines fail, and the event is set when so many processes were killed. If that fails, it is raised at the end.

        What was killed last may not be back by then.
        """
        over = threading.Event()
        with self.lines_failing(), ThreadPoolExecutor(1) as threads:
            killing = threads.submit(self._kill, count, over)
            try:
                yield over
            finally:
                over.set()
        killing.result()

    @contextmanager
    def lines_failing(self) -> Iterator[None]:
        """Until the block ends; then every line is healthy again."""
        over = threading.Event()
        with ThreadPoolExecutor(1) as threads:
            striking = threads.submit(self._strike, over)
            try:
                yield
            finally:
                over.set()
        striking.result()

    def _kill(self, count: int, over: threading.Event) -> None:
        dice, last_dask_s = Random(self.seed), 0.0
        end_s = time.monotonic() + _LONGEST_S
        try:
            for name in victims(dice, sorted(self.apart.system.origins)):
                if len(self.kills) == count or over.wait(dice.uniform(*_PAUSE_S)):
                    return
                assert time.monotonic() < end_s, self.apart.log_tail()
                is_dask = "dask" in name or name.startswith("worker")
                if is_dask and time.monotonic() < last_dask_s + _DASK_EVERY_S:
                    continue
                if self.apart.kill(name):
                    self.kills.append(name)
                    last_dask_s = time.monotonic() if is_dask else last_dask_s
        finally:
            over.set()

    def _strike(self, over: threading.Event) -> None:
        """All lines from one thread: each gets its next spell when its last one is over."""
        lines = self.apart.lines.all
        faults = {name: random_faults(self.seed + number) for number, name in enumerate(sorted(lines))}
        due = [(time.monotonic(), name) for name in faults]
        try:
            while not over.wait(max(0.0, due[0][0] - time.monotonic())):
                _, name = heapq.heappop(due)
                spell = next(faults[name])
                lines[name].apply(spell.line if name.startswith("to the store") else with_tls(spell))
                self.spells[spell.name] += 1
                heapq.heappush(due, (time.monotonic() + spell.lasts_s, name))
        finally:
            for line in lines.values():
                line.apply(HEALTHY)


def victims(dice: Random, regions: list[str]) -> Iterator[str]:
    """Without end. All of them come once before one comes again, replicators and origins more often."""
    often = [f"{kind}-{region}" for kind in ("replicator", BORDER) for region in regions]
    kinds = ("origin", "object-server", "janitor", "processor")
    seldom = [f"{kind}-{region}" for kind in kinds for region in regions]
    dask = [f"scheduler-{OPERATED}", f"worker-{OPERATED}", f"dask-of-worker-{OPERATED}"]
    dask += [f"dask-of-processor-{region}" for region in regions if region != OPERATED]
    while True:
        yield from dice.sample(often * 3 + seldom + dask * 2, 3 * len(often) + len(seldom) + 2 * len(dask))


def with_tls(spell: Spell) -> Line:
    """What is corrupt in an origin's answer is noticed by TLS, which ends in front of it, and by nothing else.

    What is corrupt in a request is noticed without TLS too: by the node token, which covers the body.
    """
    fault = spell.line.responses.fault
    if fault is None or fault.kind is not FaultKind.CORRUPT:
        return spell.line
    return Line(replace(spell.line.requests, fault=fault), replace(spell.line.responses, fault=None))
