"""kill -9 of what writes and carries records, while people act: each acknowledged change is in the second region.

At the end what lies there is compared with what lies at home, by the stores of both.
"""

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest

from darkroom.client.client import ClientError
from darkroom.local.addresses import TOPOLOGY
from regions import config
from regions.border.kinds import COMMENT, CREDENTIALS, FOLLOW, KINDS, LIKE, USER, RecordName, text_of
from regions.stores.catalog import Catalog
from tests.builders.accounts import PASSPHRASE
from tests.builders.samples import all_copies

HOME, SECOND = "eu-west", "eu-central"
KILLED = [f"replicator-{HOME}", f"origin-{HOME}", f"origin-{SECOND}", f"janitor-{HOME}"]
PEOPLE, ACTS, KILLS = 4, 30, 6
ARRIVES_S = 90

pytestmark = pytest.mark.xdist_group("kill")


class Acting:
    """One person, who does one thing after the other. `certain` are the records whose last change was acknowledged."""

    def __init__(self, person, others, photo_ids: list[str], seed: int) -> None:
        self._person, self._others, self._photo_ids = person, others, photo_ids
        self._random = random.Random(seed)
        self._comments: dict[str, str] = {}
        self.certain = {RecordName(USER, person.id), RecordName(CREDENTIALS, person.id)}

    def act(self) -> None:
        client, name = self._person.client, f"Ana {self._random.randrange(1 << 40)}"
        author_id, photo_id = self._random.choice(self._others).id, self._random.choice(self._photo_ids)
        follow, like = RecordName(FOLLOW, self._person.id, author_id), RecordName(LIKE, photo_id, self._person.id)
        acts: list[tuple[RecordName, Callable[[], object]]] = [
            (RecordName(USER, self._person.id), lambda: client.rename(PASSPHRASE, name)),
            (follow, lambda: client.follow(self._person.id, author_id)),
            (follow, lambda: client.unfollow(self._person.id, author_id)),
            (like, lambda: client.like(photo_id)),
            (like, lambda: client.unlike(photo_id)),
        ]
        self._try(*self._random.choice(acts))
        self._comment(photo_id)

    def _try(self, record: RecordName, act: Callable[[], object]) -> None:
        self.certain.discard(record)
        with suppress(ClientError):
            act()
            self.certain.add(record)

    def _comment(self, photo_id: str) -> None:
        """Writes one, or deletes an earlier one."""
        if self._comments and self._random.random() < 0.4:
            comment_id, of_photo = self._comments.popitem()
            record = RecordName(COMMENT, of_photo, comment_id)
            self._try(record, lambda: self._person.client.remove_comment(of_photo, comment_id))
            return
        with suppress(ClientError):
            comment_id = self._person.client.comment(photo_id, "How blue!")["id"]
            self._comments[comment_id] = photo_id
            self.certain.add(RecordName(COMMENT, photo_id, comment_id))


@contextmanager
def killing(system, seed: int) -> Iterator[None]:
    """Kills one process after the other; the launcher starts each again."""
    done, chosen = threading.Event(), random.Random(seed)

    def kill_some() -> None:
        for _ in range(KILLS):
            if done.wait(chosen.uniform(1.0, 3.0)):
                return
            # Between its end and its restart, it has no pid.
            with suppress(KeyError):
                system.kill(chosen.choice(KILLED))

    with ThreadPoolExecutor(1) as threads:
        killed = threads.submit(kill_some)
        try:
            yield
        finally:
            done.set()
            killed.result()


@pytest.fixture
def catalogs(own_system) -> Iterator[tuple[Catalog, Catalog]]:
    """Of the home and of the second region."""
    loaded = config.load(own_system.data / TOPOLOGY, os.environ)
    with closing(config.open_catalog(loaded, HOME)) as home, closing(config.open_catalog(loaded, SECOND)) as second:
        yield home, second


def differing(home: Catalog, second: Catalog, names: set[RecordName]) -> list[str]:
    """The records whose copy is not what is at home. Nothing at home and no copy are the same."""
    found = {
        RecordName(one.kind, one.about, one.part): one.document
        for kind in KINDS
        for one in all_copies(second, HOME, kind)
    }
    return [f"{name}: {found.get(name)}" for name in names if found.get(name) != text_of(home, name)]


def test_each_acknowledged_change_reaches_the_second_region(own_system, catalogs, draw, eventually):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201
    people = [own_system.person(f"Person {number}", "PT", "lisbon") for number in range(PEOPLE)]
    photo_ids = [people[0].upload_ready(draw(970 + number))["id"] for number in range(3)]
    acting = [Acting(one, [o for o in people if o is not one], photo_ids, seed + n) for n, one in enumerate(people)]
    with killing(own_system, seed), ThreadPoolExecutor(PEOPLE) as threads:
        list(threads.map(lambda one: [one.act() for _ in range(ACTS)], acting))
    names = set().union(*(one.certain for one in acting))
    assert {name.kind for name in names} == set(KINDS)
    eventually(lambda: differing(*catalogs, names) == [], ARRIVES_S, lambda: "\n".join(differing(*catalogs, names)[:9]))
