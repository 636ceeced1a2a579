"""Chains of statements, and where their links are fetched."""

import json
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from regions.errors import NotFound, Problem
from regions.residency.signatures import verify
from regions.residency.statement import Statement
from regions.residency.statement_document import hash_of
from tests.builders.policies import document_of, text_of
from tests.builders.statements import Compliance

_AT_HOME = {
    "allow": ["rest_raw", "rest_variants", "rest_metadata", "rest_account"],
    "at": ["home"],
    "because": "There.",
}
SMALL_POLICY = text_of(document_of([_AT_HOME]))
"""Read in a tenth of the time of the deployed one."""


def appointed_in_turn(team: Compliance, length: int) -> list[Statement]:
    """Each is signed by the team that the one before appointed."""
    teams = [team, *(Compliance(name=f"team-{number}") for number in range(length))]
    found: list[Statement] = []
    for signing, following in pairwise(teams):
        found.append(signing.states(previous=found[-1] if found else None, following=following))
        signing.latest = None
    return found


def fetch_from(signed: Mapping[str, str]) -> Callable[[str], str]:
    def fetch(hash: str) -> str:
        if hash not in signed:
            raise NotFound("nobody has it")
        return signed[hash]

    return fetch


def history(team: Compliance, first: Statement, length: int) -> dict[str, str]:
    """Signed texts by hash, of those after `first` in their order; only their serials and `previous` differ."""
    found, document, hash = {}, json.loads(first.text), first.hash
    for serial in range(first.serial + 1, first.serial + 1 + length):
        text = json.dumps({**document, "serial": serial, "previous": hash})
        hash = hash_of(text)
        found[hash] = team.signed(text)
    return found


def unsigned(length: int, before: str = "0" * 64, serial: int = 1 << 20, pad: str = "") -> dict[str, str]:
    """Linked by hashes and signed by nobody, by hash; by default the one before the first is nowhere."""
    found, hash = {}, before
    for number in range(length):
        text = json.dumps({"serial": serial + number, "previous": hash, "pad": pad}, ensure_ascii=False)
        hash = hash_of(text)
        found[hash] = json.dumps({"statement": text, "signatures": {}}, ensure_ascii=False)
    return found


def last_of(team: Compliance, found: Mapping[str, str]) -> Statement:
    return verify(list(found.values())[-1], team.signers)


class _Text(str):
    """One that a weak reference can be made to."""


@dataclass
class CountedTexts:
    """Fetches texts, and counts those that somebody still has. Without one, raises `missing`."""

    texts: Mapping[str, str]
    missing: Problem = field(default_factory=lambda: NotFound("nobody has it"))
    asked: list[str] = field(default_factory=list)
    live: int = 0
    most_live: int = 0

    def __call__(self, hash: str) -> str:
        self.asked.append(hash)
        if hash not in self.texts:
            raise self.missing
        text = _Text(self.texts[hash])
        self.live += 1
        self.most_live = max(self.live, self.most_live)
        weakref.finalize(text, self._freed)
        return text

    def _freed(self) -> None:
        self.live -= 1
