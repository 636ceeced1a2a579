"""Five mistakes that a careless editor could make, each in another part: the consistency check finds each of them.

One system runs from a copy of the program. A mistake is planted in a file of the copy, and the processes that use it
are killed, so that they start again with it. It stays there while the next one is looked for, which is known by
something else: that saves half of the restarts.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.builders.gathering import Gathering, gathering, restart
from tests.builders.history import Verb
from tests.builders.participants import ALL
from tests.builders.promises import Bounds, Guarantee, Violation
from tests.conftest import System

pytestmark = pytest.mark.xdist_group("consistency mutants")

ROOT = Path(__file__).parents[2]
ROOMS = ("regions", "origin", "processing", "replication", "edge", "darkroom", "deploy")
BOUNDS = Bounds(elsewhere_s=8)
AT_A_TIME_S, AT_MOST_S = 2, 40
LOST_ONE_IN = 12


@dataclass(frozen=True)
class Mistake:
    """`before` becomes `after`, in a file that these kinds of processes read. `verbs` are done more often than else."""

    file: str
    before: str
    after: str
    processes: tuple[str, ...]
    found_by: set[tuple[Guarantee, Verb]]
    verbs: dict[Verb, int] = field(default_factory=dict)


READS_OF_LIKES = {
    (guarantee, Verb.LIKES)
    for guarantee in (Guarantee.READ_YOUR_WRITES, Guarantee.MONOTONIC_READS, Guarantee.LINEARIZABLE)
}
MISTAKES = {
    "an edge keeps what was deleted": Mistake(
        "edge/tombstones.py",
        "            if self._is_of(region, photo_id):\n                self._delete(region, photo_id)\n",
        "            pass\n",
        ("edge",),
        {(Guarantee.RESURRECTED, Verb.IMAGE)},
        {Verb.IMAGE: 40, Verb.DELETE: 6, Verb.UPLOAD: 8},
    ),
    "an edge answers from an old response": Mistake(
        "edge/forward.py",
        "        reply = self._reply(request, headers, home)\n",
        '        known = self.__dict__.setdefault("known", {})\n'
        '        is_known = head.method == "GET" and head.path.endswith("/likes")\n'
        "        reply = known.get(head.target) if is_known else None\n"
        "        reply = reply or self._reply(request, headers, home)\n"
        "        known[head.target] = reply\n",
        ("edge",),
        READS_OF_LIKES,
    ),
    "an origin ignores the Idempotency-Key": Mistake(
        "origin/repeats.py",
        "    key = key_of(request)\n    if key is None:\n        return made\n",
        "    return made\n    key = key_of(request)\n",
        ("origin",),
        {(Guarantee.ONCE, Verb.COMMENTS)},
        {Verb.COMMENT: 30, Verb.COMMENTS: 30},
    ),
    "a deletion has no event": Mistake(
        "regions/photo_deletion.py",
        "        if self._catalog.photos.delete(Tombstone(photo.photo_id, photo.owner_id, at_ms), event):\n"
        "            self._outbox.publish(event)\n",
        "        self._catalog.photos.delete(Tombstone(photo.photo_id, photo.owner_id, at_ms), None)\n",
        ("origin", "janitor"),
        {(Guarantee.RESURRECTED, Verb.FEED)},
        {Verb.FOLLOW: 8, Verb.UNFOLLOW: 0, Verb.FEED: 30, Verb.DELETE: 6, Verb.UPLOAD: 8},
    ),
    # Last: what it forgets could not come back.
    "the fan-out forgets references": Mistake(
        "processing/background/fanout.py",
        "    if event.topic in (PHOTO_READY, PHOTO_REFERENCED):\n",
        "    if event.topic == PHOTO_READY:\n",
        ("janitor",),
        {(Guarantee.EVENTUAL, Verb.FEED)},
        {Verb.FOLLOW: 8, Verb.UNFOLLOW: 0, Verb.FEED: 30},
    ),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def copied_system(program: Path, tmp_path_factory, start_system: Callable[..., Iterator[System]]) -> Iterator[System]:
    yield from start_system(tmp_path_factory.mktemp("copied_system"), None, program)


@pytest.fixture(scope="module")
def gathered(copied_system: System) -> Iterator[Gathering]:
    with gathering(copied_system, 1, LOST_ONE_IN) as gathered:
        gathered.begin(BOUNDS.ready_s)
        yield gathered


def plant(gathered: Gathering, program: Path, mistake: Mistake) -> None:
    """For good. Returns when the processes that have it run."""
    file = program / mistake.file
    text = file.read_text()
    assert text.count(mistake.before) == 1, (
        f"{mistake.before!r} is in {mistake.file} {text.count(mistake.before)} times"
    )
    kinds = tuple(f"{kind}-" for kind in mistake.processes)
    names = [name for name in gathered.system.pids() if name.startswith(kinds)]
    with gathered.history.absence(", ".join(names)):
        write_newer(file, text.replace(mistake.before, mistake.after))
        restart(gathered.system, names)


def write_newer(file: Path, text: str) -> None:
    """So that what Python has compiled of it is out of date for sure, which it sees by the second."""
    at_s = file.stat().st_mtime + 10
    file.write_text(text)
    os.utime(file, (at_s, at_s))


def violations_by(gathered: Gathering, mistake: Mistake) -> list[Violation]:
    """Those by which the mistake is known."""
    found = gathered.violations(BOUNDS)
    return [one for one in found if (one.guarantee, one.operation.verb) in mistake.found_by]


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_running_program_is_found(gathered, program, mistake):
    """And what it is known by was not there before, with all earlier mistakes."""
    assert violations_by(gathered, mistake) == []
    plant(gathered, program, mistake)
    for _ in range(AT_MOST_S // AT_A_TIME_S):
        gathered.work(ALL | mistake.verbs, AT_A_TIME_S)
        if violations_by(gathered, mistake):
            return
    pytest.fail("\n".join(map(str, gathered.violations(BOUNDS))))
