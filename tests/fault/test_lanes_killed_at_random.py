"""kill -9 of replicators, origins, Dask schedulers and workers at random, while the lines between regions fail.

Six people in three regions are at work meanwhile. `DARKROOM_CHAOS_SEED` repeats a run's choices, kills and faults, but
not which of them meet. `make chaos-lanes KILLS=100` kills more; `pytest -rP` shows the figures.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import SystemRandom

import pytest

from tests.builders import regions_apart
from tests.builders.chaos import Chaos
from tests.builders.gathering import Gathering, gathering
from tests.builders.history import Completion, Verb
from tests.builders.participants import ALL, photo_of
from tests.builders.promises import Bounds
from tests.builders.regions_apart import RegionsApart
from tests.builders.walk import DiskWalk

pytestmark = pytest.mark.xdist_group("consistency")

KILLS = int(os.environ.get("DARKROOM_CHAOS_KILLS") or 8)
BOUNDS = Bounds(elsewhere_s=10)
QUIET_S = 90
"""By when all that was begun is done, once the lines are whole and the processes back."""
VERBS = ALL | {Verb.UPLOAD: 25, Verb.DELETE: 1}


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("DARKROOM_CHAOS_SEED") or SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"DARKROOM_CHAOS_SEED={chosen}\n")
    return chosen


@pytest.fixture
def apart(tmp_path) -> Iterator[RegionsApart]:
    with regions_apart.running(tmp_path) as started:
        yield started


def test_nothing_is_lost_twice_resurrected_or_leaked_whatever_is_killed(apart, seed, eventually):
    """By a walk over every disk, and by what clients see, which is what docs/consistency.md promises."""
    chaos = Chaos(apart, seed)
    with gathering(apart.system, seed) as gathered:
        gathered.begin(BOUNDS.ready_s)
        with gathered.history.absence("lines and processes"):
            with chaos.until_killed(KILLS) as over:
                gathered.work_until(over.is_set, VERBS)
            whole_s = time.monotonic()
            eventually(apart.is_whole, QUIET_S, apart.log_tail)
            eventually(lambda: not apart.unfinished(), QUIET_S, lambda: f"{apart.unfinished()} {apart.log_tail()}")
        quiet_s = time.monotonic() - whole_s
        gathered.settle(BOUNDS)
        walk = walk_of(apart, gathered)
    sys.stdout.write("\n".join(report(chaos, gathered, walk, quiet_s)))
    mistakes, violations = walk.mistakes(), gathered.violations(BOUNDS)
    assert not mistakes, "\n".join(mistakes)
    assert not violations, "\n".join(map(str, violations))
    assert len(chaos.kills) == KILLS
    assert any(photo.gone for photo in walk.photos.values()) and any(photo.kept for photo in walk.photos.values())


def walk_of(apart: RegionsApart, gathered: Gathering) -> DiskWalk:
    homes = {one.id: one.home_region for one in gathered.people}
    return DiskWalk(apart.system.data, gathered.history.operations, homes, photo_of)


def report(chaos: Chaos, gathered: Gathering, walk: DiskWalk, quiet_s: float) -> Iterator[str]:
    """For people."""
    operations = gathered.history.operations
    photos = walk.photos.values()
    yield f"{len(chaos.kills)} kills: {dict(chaos.kinds)}"
    yield f"lines failed in {chaos.spells.total()} spells: {dict(chaos.spells)}; {len(gathered.lost)} answers lost"
    yield f"{len(operations)} operations: {dict(Counter(str(one.completion) for one in operations))}"
    yield f"{len(photos)} photos: {sum(one.kept for one in photos)} kept, {sum(one.gone for one in photos)} deleted"
    done = Counter(one.verb for one in operations if one.completion is Completion.OK)
    yield f"done: { {str(verb): count for verb, count in sorted(done.items())} }"
    yield f"quiet {quiet_s:.1f} s after the last kill\n"
