"""Clients in three regions see what docs/consistency.md promises, while answers get lost and processes are killed.

`DARKROOM_CONSISTENCY_SEED` repeats a run's choices and kills, but not which of them meet. `make consistency MINUTES=5`
runs for longer.
"""

import os
import sys
from collections import Counter
from random import Random, SystemRandom

import pytest

from tests.builders.gathering import gathering, killing
from tests.builders.history import Completion, Verb
from tests.builders.participants import ALL
from tests.builders.promises import Bounds

pytestmark = pytest.mark.xdist_group("consistency")

FOR_S = float(os.environ.get("DARKROOM_CONSISTENCY_S") or 30)
BOUNDS = Bounds(elsewhere_s=20)


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("DARKROOM_CONSISTENCY_SEED") or SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"DARKROOM_CONSISTENCY_SEED={chosen}\n")
    return chosen


def test_clients_see_what_is_promised_whatever_is_killed(own_system, seed):
    """Read your writes, monotonic reads, nothing resurrected, nothing twice, and nothing acknowledged is lost."""
    with gathering(own_system, seed) as gathered:
        gathered.begin(BOUNDS.ready_s)
        with killing(gathered, Random(seed)):
            gathered.work(ALL, FOR_S)
        gathered.settle(BOUNDS)
    found = gathered.violations(BOUNDS)
    done = Counter((one.verb, one.completion) for one in gathered.history.operations)
    sys.stdout.write("".join(f"{count:6} {verb} {outcome}\n" for (verb, outcome), count in sorted(done.items())))
    sys.stdout.write(f"{len(gathered.lost)} answers lost; killed: {[one.what for one in gathered.history.absences]}\n")
    assert not found, "\n".join(map(str, found))
    assert all(done[verb, Completion.OK] for verb in Verb), done
    assert gathered.lost
    assert gathered.history.absences
