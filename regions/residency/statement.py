"""The statement: the residency policy and the places that it is about, as the compliance team has signed them.

It is a JSON document, and the SHA-256 of its text is its name. At least `threshold` of the signers that the statement
before lists must have signed it. Each statement contains the hash of the one before, and a serial that is one higher.

Who can write to a region's settings, its stores or its topology file can't change what is in force: a text that these
keys have not signed is not a statement. `statement_document` reads and writes the text, `signatures` signs and verifies
it. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from regions.residency.policy import Policy
from regions.topology import Place

MAX_LEASE_S = 300


class Kind(StrEnum):
    """A witness holds nothing: it only confirms statements, so that two regions and it have a majority of three.

    So no rule allows anything at one (`rules`).
    """

    REGION = "region"
    EDGE = "edge"
    WITNESS = "witness"


class Purpose(StrEnum):
    """What a key may be used for. A key of one purpose is refused for any other."""

    NODE = "node"
    USERS = "users"
    URLS = "urls"
    LOG = "log"
    COUNTERSIGN = "countersign"


class Role(StrEnum):
    OPERATOR = "operator"
    COMPLIANCE = "compliance"
    MODERATOR = "moderator"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Signers:
    """The compliance team: `threshold` of these keys must sign the next statement."""

    threshold: int
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who may act here, and the public key that proves who it is."""

    roles: frozenset[Role]
    key: str


@dataclass(frozen=True, slots=True)
class StatedPlace:
    """A region, an edge or a witness, as the statement says.

    `number` is the one in a region's ids; `incarnation` grows when a lost region is built anew under its name. `keys`
    are public keys (base64url of the 32 bytes, RFC 8037) by purpose and id; the first of a purpose is the oldest.
    """

    name: str
    kind: Kind
    jurisdiction: str
    url: str
    keys: Mapping[Purpose, Mapping[str, str]]
    number: int = -1
    incarnation: int = 1
    shield_of: str = ""

    @property
    def place(self) -> Place:
        return Place(self.name, self.kind, self.jurisdiction)


@dataclass(frozen=True, slots=True)
class Statement:
    """`hash` is its name: the SHA-256 of `text`. `previous` is that of the statement before; empty for the first."""

    serial: int
    previous: str
    because: str
    lease_s: int
    signers: Signers
    operators: Mapping[str, Operator]
    places: Mapping[str, StatedPlace]
    policy: Policy
    policy_text: str
    text: str
    signed: str
    hash: str

    @property
    def voters(self) -> frozenset[str]:
        """The names of those whose majority counts."""
        return frozenset(name for name, place in self.places.items() if place.kind != Kind.EDGE)

    def region_numbered(self, number: int) -> StatedPlace | None:
        regions = (place for place in self.places.values() if place.kind == Kind.REGION)
        return next((region for region in regions if region.number == number), None)
