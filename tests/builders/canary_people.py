"""People with canaries in all that they say, who do with a running system whatever people do: at edges far and near.

What of the Union's people lies where afterwards is for a test to look.
"""

import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from darkroom.client.client import Client, ClientError
from tests.builders import canary
from tests.builders.accounts import NEW_PASSPHRASE, PASSPHRASE
from tests.builders.canary import Canary, Needle, Sighting, object_needles
from tests.builders.image_paths import image_path
from tests.conftest import Person, System

PEOPLE = (("ana", "PT", "lisbon"), ("dora", "DE", "chicago"), ("bob", "US", "chicago"), ("carl", "US", "frankfurt"))
"""A label, a country and the edge through which they go."""
UNION = ("PT", "DE")
AWAY = "what {} wrote in the US"
"""The label of what people of the Union wrote about photos of others."""
_PHOTOS = 3
_SIZES = (150, 640)
_READY_S = 120


@dataclass
class CanaryPerson:
    canary: Canary
    away: Canary
    """Whose comment this person writes under photos of the US: it may rest there."""
    person: Person
    is_of_union: bool
    raws: dict[str, bytes] = field(default_factory=dict)
    """By photo."""
    photos: list[dict[str, Any]] = field(default_factory=list)
    """Those that are ready."""


class CanaryPeople:
    """`seed` makes their words, so that no other run has them."""

    def __init__(self, system: System, seed: int) -> None:
        self._system = system
        self.everybody = [self._sign_up(label, country, edge, seed) for label, country, edge in PEOPLE]

    @property
    def of_union(self) -> list[CanaryPerson]:
        return [one for one in self.everybody if one.is_of_union]

    def live(self) -> None:
        """Everything that people do, all of them at once."""
        self._together(self._upload)
        self._together(self._meet_others)
        self._together(self._look_everywhere)
        self._together(self._do_wrong)
        self._together(self._change_their_minds)

    def needles(self, folder: Path) -> list[Needle]:
        """Of all that is anybody's. The bytes of variants are read from where they lie below the folder."""
        variants: dict[str, list[Path]] = defaultdict(list)
        for path in folder.rglob("*.jpg"):
            variants[path.parent.name].append(path)
        return [needle for one in self.everybody for needle in _needles(one, variants)]

    def _sign_up(self, label: str, country: str, edge: str, seed: int) -> CanaryPerson:
        made = canary.person(label, seed)
        client = Client(self._system.edges[edge])
        user = client.sign_up(made.name, country, made.handle, PASSPHRASE)
        person = Person(user["id"], user["home_region"], client)
        return CanaryPerson(made, canary.person(f"{label} away", seed), person, country in UNION)

    def _together(self, act: Callable[[CanaryPerson], None]) -> None:
        with ThreadPoolExecutor(len(self.everybody)) as threads:
            for done in [threads.submit(act, one) for one in self.everybody]:
                done.result()

    def _upload(self, one: CanaryPerson) -> None:
        """Photos, and something that is none."""
        for _ in range(_PHOTOS):
            raw = one.canary.photo(canary.picture(random.SystemRandom().randrange(1 << 32)))
            one.raws[one.person.upload(raw, one.canary.caption)] = raw
        broken = b"\xff\xd8\xff" + one.canary.remark + one.canary.handle.encode()
        one.person.upload(broken, one.canary.caption)
        one.photos = [one.person.client.wait_until_ready(photo_id, _READY_S) for photo_id in one.raws]

    def _meet_others(self, one: CanaryPerson) -> None:
        client = one.person.client
        for other in self.everybody:
            if other is not one:
                client.follow(one.person.id, other.person.id)
            text = one.away.comment if one.is_of_union and not other.is_of_union else one.canary.comment
            for photo in other.photos:
                client.like(photo["id"])
                client.comment(photo["id"], text)

    def _look_everywhere(self, one: CanaryPerson) -> None:
        """At each image through each edge, and at what all have written, through one's own."""
        client = one.person.client
        client.feed(one.person.id)
        client.export(PASSPHRASE)
        for other in self.everybody:
            client.user(other.person.id)
            client.photos_of(other.person.id)
            for photo in other.photos:
                client.comments(photo["id"])
                for edge in self._system.edges.values():
                    for size in _SIZES:
                        urllib3.request("GET", edge + image_path(photo, size), retries=False, timeout=30)

    def _do_wrong(self, one: CanaryPerson) -> None:
        """What is refused may end up in logs and answers: what is too long, at the wrong place, or not theirs."""
        client, words = one.person.client, one.canary
        self._refused(lambda: client.comment(one.photos[0]["id"], words.comment * 500))
        self._refused(lambda: client.upload(words.photo(canary.picture(1)), words.caption * 500))
        self._refused(lambda: client.rename("not the passphrase", words.name))
        for edge in self._system.edges.values():
            self._refused(lambda edge=edge: Client(edge).sign_up(words.name, "PT", words.handle, PASSPHRASE))
            self._refused(lambda edge=edge: Client(edge).sign_in(f"{words.handle}@{one.person.home_region}", "wrong"))
        body = {"name": words.name, "handle": words.handle, "caption": words.caption, "text": words.comment}
        for url in (*self._system.edges.values(), *self._system.origins.values()):
            for path in ("/v1/users", "/v1/uploads/init", f"/v1/photos/{one.photos[0]['id']}/comments"):
                urllib3.request("POST", url + path, json=body, retries=False, timeout=30)

    def _change_their_minds(self, one: CanaryPerson) -> None:
        client = one.person.client
        client.rename(PASSPHRASE, one.canary.name)
        client.delete(one.photos[-1]["id"])
        client.change_passphrase(PASSPHRASE, NEW_PASSPHRASE)

    @staticmethod
    def _refused(act: Callable[[], object]) -> None:
        with suppress(ClientError):
            act()


def _needles(one: CanaryPerson, variants: Mapping[str, list[Path]]) -> list[Needle]:
    label, away, text = one.canary.label, AWAY.format(one.canary.label), one.away.comment
    found = [*one.canary.needles(), Needle(away, text), Needle(away, text.split()[-1])]
    for number, (photo_id, raw) in enumerate(one.raws.items()):
        found += object_needles(f"{label}'s raw {number}", raw)
        for data in {path.read_bytes() for path in variants[photo_id]}:
            found += object_needles(f"{label}'s variant of {number}", data)
    return found


def place_of(file: str, places: tuple[str, ...]) -> str:
    """Whose a file below a system's folder is, by the names of the folders and of the file; "" of nobody."""
    parts = [part.removesuffix(".log").removesuffix(".1").removesuffix(".log") for part in Path(file).parts]
    return next((place for part in parts for place in places if part == place or part.endswith(f"-{place}")), "")


def fresh_seed() -> int:
    return int.from_bytes(os.urandom(8))


def labels_by_file(found: Iterable[Sighting]) -> dict[str, set[str]]:
    labels: dict[str, set[str]] = defaultdict(set)
    for one in found:
        labels[one.file].add(one.label)
    return labels
