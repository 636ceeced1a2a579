"""The residency policy as the programs know it: classes of people, their homes, and the rules on their data.

`parsing` makes these values from the file that a compliance officer maintains, `checking` compares them with the places
that exist, and `decide` applies them. docs/policy.md explains the language, and `deploy/policy.yaml` is an annotated
example.

Pure: immutable values, without a clock. What is not known never lets data out: where the time or the place is unknown,
an allow counts only if it would at any time or place, and a deny counts if it would at some.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from regions.topology import Place

ANYWHERE, HOME, JURISDICTION = "anywhere", "home", "jurisdiction:"


class Action(StrEnum):
    """What somebody wants to do with a person's data."""

    REST_RAW = "rest_raw"
    """Store the original file."""
    REST_VARIANTS = "rest_variants"
    """Store the resized images that people see."""
    REST_METADATA = "rest_metadata"
    """Store the profile, and the details of photos (caption, sizes, time)."""
    REST_ACCOUNT = "rest_account"
    """Store what a person signs in with: handle, credentials, sessions."""
    CACHE = "cache"
    """Keep a copy of an image for a while."""
    REFERENCE = "reference"
    """Keep only a photo's id, its owner's id and its time, so that a feed can list the photo."""
    SERVE = "serve"
    """Send an image or its details to a person through this place, and keep nothing."""
    SAY = "say"
    """Store a like, comment or follow of the person, because it is about somebody who lives there."""
    OBSERVE = "observe"
    """Send metrics, logs and sums of cost there, in which the person may be recognised."""
    MODERATE = "moderate"
    """Have moderators there look at the person's photos and comments."""


STORED_AT_HOME = (Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA, Action.REST_ACCOUNT)
"""What a home region stores of its people."""


class TransferBasis(StrEnum):
    """Why personal data may leave a protected jurisdiction. docs/policy.md says when each is right."""

    ADEQUACY = "adequacy"
    """A decision of the Commission on the country (GDPR Art. 45)."""
    STANDARD_CLAUSES = "standard_clauses"
    """Standard contractual clauses with who receives it (Art. 46(2)(c))."""
    BINDING_RULES = "binding_rules"
    """Binding corporate rules (Art. 46(2)(b) and 47)."""
    DEROGATION = "derogation"
    """Art. 49, for occasional transfers only (EDPB Guidelines 2/2018)."""
    NONE_NEEDED = "none_needed"
    """No other controller or processor receives it, so it is no transfer (EDPB Guidelines 05/2021)."""


class Tier(StrEnum):
    """How a raw is stored once it has an age, from the fastest to the cheapest."""

    WARM = "warm"
    COLD = "cold"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Ageing:
    """Raws of at least this age are stored in this tier."""

    after_days: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class Rule:
    """`places` are as the file names them, with groups written out; `because` is the officer's reason.

    `where` is `file:line`; no two rules of a file begin on the same line. From `until_ms` (Unix time) on, the rule does
    not count any more; None is for good.
    """

    allow: bool
    actions: frozenset[Action]
    places: tuple[str, ...]
    because: str
    where: str
    until_ms: int | None = None
    transfer_basis: TransferBasis | None = None

    def covers(self, action: Action, place: Place | None, home_region: str) -> bool:
        """Whether the rule names this action and this place. `home_region` is the owner's; None is an unknown place."""
        return action in self.actions and self._names(place, home_region)

    def counts(self, now_ms: int | None) -> bool:
        """Whether it has not run out. None is an unknown time."""
        if self.until_ms is None:
            return True
        return not self.allow if now_ms is None else now_ms < self.until_ms

    def _names(self, place: Place | None, home_region: str) -> bool:
        if place is None:
            return not self.allow or ANYWHERE in self.places
        return any(word in self.places for word in words_for(place, home_region))


@dataclass(frozen=True, slots=True)
class Home:
    """The region where people from these countries live; without countries, everyone else in the class."""

    region: str
    countries: frozenset[str]
    where: str


@dataclass(frozen=True, slots=True)
class ResidencyClass:
    """People whose data is treated alike. The order of `homes` and of `rules` counts: the first that fits decides.

    `based_on` names the class that it builds on, if any: `rules` has that one's rules too, after its own.
    `minimum_copies` of each raw must exist, the one at home included; `copies_where` is the line that says so.
    """

    name: str
    countries: frozenset[str]
    homes: tuple[Home, ...]
    rules: tuple[Rule, ...]
    where: str
    based_on: str = ""
    minimum_copies: int = 1
    copies_where: str = ""
    tiers: tuple[Ageing, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A name for several places. `members` are as the file names them: places, jurisdictions, other groups."""

    name: str
    members: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Policy:
    """`version` is the SHA-256 of the file's text: the same text is the same policy.

    Data of people whose home lies in a jurisdiction of `protected` leaves it only by a rule with a transfer basis.
    """

    classes: Mapping[str, ResidencyClass]
    default_class: str
    version: str
    groups: Mapping[str, Group] = field(default_factory=dict)
    protected: Mapping[str, str] = field(default_factory=dict)
    """The names of protected jurisdictions, each with its `file:line`."""

    def class_of(self, country: str) -> ResidencyClass:
        for residency_class in self.classes.values():
            if country in residency_class.countries:
                return residency_class
        return self.classes[self.default_class]

    def home_region(self, country: str) -> str:
        homes = self.class_of(country).homes
        return next(home.region for home in homes if country in home.countries or not home.countries)

    def own_rules(self, residency_class: ResidencyClass) -> tuple[Rule, ...]:
        """Those that the class does not have from the one it builds on."""
        base = self.classes.get(residency_class.based_on)
        inherited = len(base.rules) if base else 0
        return residency_class.rules[: len(residency_class.rules) - inherited]


def words_for(place: Place, home_region: str) -> tuple[str, ...]:
    """All by which a rule can name this place, if the owner's home is that region."""
    words = (ANYWHERE, f"{JURISDICTION}{place.jurisdiction}", place.name)
    return (*words, HOME) if place.name == home_region else words
