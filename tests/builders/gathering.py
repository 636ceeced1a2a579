"""People of every region at edges near and far, all at work on one running system, and the history of it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random

import urllib3

from darkroom.client.client import Client
from darkroom.client.keyring import MemoryStore
from regions import ids
from tests.builders.consistency import check
from tests.builders.history import History, Verb
from tests.builders.lossy_link import lossy_link
from tests.builders.participants import READS, Album, Participant
from tests.builders.promises import Bounds, Violation
from tests.conftest import Person, System

PLACES = (
    ("PT", "lisbon"), ("PT", "sydney"), ("DE", "frankfurt"), ("DE", "chicago"), ("US", "chicago"), ("US", "lisbon"),
)  # fmt: skip
"""Where each comes from, which decides their home, and the edge through which they go."""
_KILL_EVERY_S = 2.0, 6.0
_BACK_S = 60


@dataclass
class Gathering:
    system: System
    people: list[Person]
    participants: list[Participant]
    names: dict[str, str]
    history: History
    lost: list[str]
    """One entry for each answer that got lost."""

    def together(self, work: Callable[[Participant], None]) -> None:
        """Each of them on a thread; raises what one of them raised."""
        with ThreadPoolExecutor(len(self.participants)) as threads:
            for done in [threads.submit(work, one) for one in self.participants]:
                done.result()

    def begin(self, within_s: float) -> None:
        self.together(lambda one: one.begin(within_s))

    def work(self, verbs: dict[Verb, int], for_s: float) -> None:
        until_s = time.monotonic() + for_s
        self.work_until(lambda: time.monotonic() > until_s, verbs)

    def work_until(self, over: Callable[[], bool], verbs: dict[Verb, int]) -> None:
        self.together(lambda one: one.work(verbs, over))

    def settle(self, bounds: Bounds) -> None:
        """All photos become ready; they read on until all must have spread; then each looks at everything."""
        self.together(lambda one: one.wait_for_own_photos(2 * bounds.ready_s))
        self.work(READS, bounds.elsewhere_s)
        self.together(Participant.look_at_everything)

    def violations(self, bounds: Bounds) -> list[Violation]:
        return check(self.history.operations, self.history.absences, self.names, home_of, bounds)


def home_of(public_id: str) -> int:
    return ids.parse(public_id[0], public_id).region


@contextmanager
def gathering(system: System, seed: int, lost_one_in: int = 60) -> Iterator[Gathering]:
    """They sign up, and their ways to the edges lose some answers."""
    history, album, lost = History(time.monotonic), Album(), list[str]()
    with ExitStack() as links:
        people = [(system.person(f"Somebody {n}", *place), place[1]) for n, place in enumerate(PLACES)]
        everybody, participants = [person.id for person, _ in people], []
        for number, (person, edge) in enumerate(people):
            url = links.enter_context(
                lossy_link(system.edges[edge], _loses(Random(seed + number), lost_one_in, edge, lost))
            )
            client = Client(url, MemoryStore(person.client.session))
            dice = Random(seed * 100 + number)
            one = Participant(person, edge, system.edges[edge], client, everybody, album, history, dice)
            participants.append(one)
        names = {user: f"Somebody {number}" for number, user in enumerate(everybody)}
        yield Gathering(system, [person for person, _ in people], participants, names, history, lost)


def _loses(dice: Random, one_in: int, edge: str, lost: list[str]) -> Callable[[], bool]:
    def loses() -> bool:
        if dice.randrange(one_in):
            return False
        lost.append(edge)
        return True

    return loses


@contextmanager
def killing(gathered: Gathering, dice: Random) -> Iterator[None]:
    """kill -9 of any process, again and again until the block ends; the launcher starts it again."""
    over = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        kills = thread.submit(_kill, gathered, dice, over)
        try:
            yield
        finally:
            over.set()
            kills.result()


def _kill(gathered: Gathering, dice: Random, over: threading.Event) -> None:
    while not over.wait(dice.uniform(*_KILL_EVERY_S)):
        system = gathered.system
        name = dice.choice(sorted(system.pids()))
        with gathered.history.absence(name):
            restart(system, [name])


def restart(system: System, names: list[str]) -> None:
    """kill -9 of all of these; returns when their successors run."""
    before = system.pids()
    for name in names:
        system.kill(name)
    back_by_s = time.monotonic() + _BACK_S
    while away := [name for name in names if not _is_back(system, name, before[name])]:
        assert time.monotonic() < back_by_s, f"{away} did not come back: {system.log_tail()}"
        time.sleep(0.1)


def _is_back(system: System, name: str, before: int) -> bool:
    """Of those that listen, once they answer."""
    kind, _, node = name.partition("-")
    url = {"edge": system.edges, "origin": system.origins}.get(kind, {}).get(node)
    if system.pids().get(name, before) == before:
        return False
    try:
        return url is None or urllib3.request("GET", f"{url}/health", retries=False, timeout=2).status == 200
    except urllib3.exceptions.HTTPError:
        return False
