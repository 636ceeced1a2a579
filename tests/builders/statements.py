"""Signed statements for tests: a compliance team with real keys, and places with keys of their own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions import keys
from regions.residency import signatures, statement_document
from regions.residency.exchange import Report
from regions.residency.live import FollowedRules, LiveRules
from regions.residency.settings_statement import SettingsStatement
from regions.residency.statement import Kind, Operator, Purpose, Signers, StatedPlace, Statement

POLICY_TEXT = (Path(__file__).parents[2] / "deploy" / "policy.yaml").read_text()


_keys: defaultdict[tuple[str, str, str], Ed25519PrivateKey] = defaultdict(Ed25519PrivateKey.generate)


def node_key(name: str, purpose: Purpose = Purpose.NODE, key_id: str = "k1") -> Ed25519PrivateKey:
    """The private key of a place; the same whenever it is asked for again."""
    return _keys[name, purpose, key_id]


def place(
    name: str,
    kind: Kind = Kind.REGION,
    jurisdiction: str = "EU",
    *,
    number: int = 0,
    shield_of: str = "",
    url: str = "",
) -> StatedPlace:
    purposes = (Purpose.NODE, Purpose.USERS) if kind == Kind.REGION else (Purpose.NODE,)
    public = {purpose: {"k1": keys.public_text(node_key(name, purpose).public_key())} for purpose in purposes}
    number = number if kind == Kind.REGION else -1
    return StatedPlace(name, kind, jurisdiction, url or f"http://{name}.test", public, number, 1, shield_of)


DEPLOYED = (
    place("eu-west", number=1),
    place("eu-central", number=2),
    place("us-central", jurisdiction="US", number=3),
    place("lisbon", Kind.EDGE, "EU", shield_of="eu-west"),
    place("frankfurt", Kind.EDGE, "EU", shield_of="eu-central"),
    place("chicago", Kind.EDGE, "US", shield_of="us-central"),
    place("sydney", Kind.EDGE, "AU"),
)
"""The places of `deploy/one_machine.toml`, which `deploy/policy.yaml` is about."""


class BootClock:
    """Seconds since a machine started; they pass when the test says so."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def __call__(self) -> float:
        return self.at_s


def hear_all(rules: LiveRules, statement: Statement, *, in_force: str = "") -> None:
    """Every other region answers that its settings hold the statement, at this moment."""
    for name in statement.voters - {rules.region}:
        rules.hear(Report(name, statement.serial, statement.hash, in_force, 0.0, 60.0), rules.clock_s())


def bring_into_force(rules: LiveRules, watch: SettingsStatement, statement: Statement, clock: BootClock) -> None:
    """As if a majority had it and a lease had passed; ends with a new lease. The settings have the statement."""
    for _ in range(2):
        watch.watch_once()
        hear_all(rules, statement)
        clock.at_s += statement.lease_s
    watch.watch_once()
    hear_all(rules, statement)
    assert rules.current().in_force == statement


def tell(rules: FollowedRules, statement: Statement, *homes: str) -> None:
    """The shield of each home answers now that the statement is held and in force there."""
    for home in homes:
        report = Report(home, statement.serial, statement.hash, statement.hash, 0.0, statement.lease_s)
        rules.hear(report, rules.clock_s(), lambda hash: statement.signed)


@dataclass
class Compliance:
    """Signs statements with `threshold` of `team` keys; `latest` is the one that it signed last.

    With `private`, these are the keys of an existing team.
    """

    team: int = 1
    threshold: int = 1
    latest: Statement | None = None
    name: str = "officer"
    private: Mapping[str, Ed25519PrivateKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [f"{self.name}-{number}" for number in range(1, self.team + 1)]
        self.private = self.private or {name: Ed25519PrivateKey.generate() for name in names}

    @property
    def signers(self) -> Signers:
        public = {key_id: keys.public_text(key.public_key()) for key_id, key in self.private.items()}
        return Signers(self.threshold, public)

    def states(
        self,
        policy_text: str = POLICY_TEXT,
        places: Iterable[StatedPlace] = DEPLOYED,
        *,
        previous: Statement | None = None,
        lease_s: int = 60,
        because: str = "a test",
        following: "Compliance | None" = None,
        by: int | None = None,
        operators: Mapping[str, Operator] | None = None,
    ) -> Statement:
        """The next statement after `previous` (by default the latest), signed by as many as are needed, or `by`.

        With `following`, that is the team from then on, which signs it too.
        """
        previous = previous or self.latest
        text = statement_document.draft(
            policy_text, places, (following or self).signers, because, previous, lease_s, operators
        )
        signed = self.signed(text, by or self.threshold)
        if following is not None:
            signed = following.signed(text, found=signatures.unpack(signed)[1])
        self.latest = signatures.verify(signed, self.signers)
        return self.latest

    def signed(self, text: str, by: int | None = None, found: Mapping[str, str] | None = None) -> str:
        """The text with `by` signatures, by default all, and those `found`."""
        signed = ""
        for key_id, key in list(self.private.items())[:by]:
            signed = signatures.sign(text, key_id, key, found)
            found = signatures.unpack(signed)[1]
        return signed
