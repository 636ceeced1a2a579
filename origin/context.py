"""What every handler of one origin needs. Built once, at start."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import falcon
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from origin import scopes
from origin.accounts.passphrases import PassphraseHasher
from origin.accounts.revocation import RevokedSessions
from origin.border.slots import AT_ONCE, DELETIONS_AT_ONCE, RegionSlots
from origin.limiter import Limiter, secret_of
from origin.node_gate import NodeGate
from regions import ids, keys, node_tokens, topology
from regions.account_changes import AccountChanges
from regions.config import Stores
from regions.errors import Forbidden, Misdirected, Unauthenticated
from regions.events.outbox import OutboxPublisher
from regions.region_client import RegionClient
from regions.residency.live import LiveRules
from regions.residency.statement import Purpose
from regions.session_ends import SessionEnds
from regions.stores.limits import RateLimits
from regions.topology import Region, Topology
from regions.user_tokens import AccessToken, Verifier


@dataclass(frozen=True)
class Context:
    """`new_id(kind)` makes an id, `clock_ms()` is the Unix time; `user_keys` sign users' tokens, by id.

    `others` asks other regions; `passphrases` hashes passphrases, `revoked` has the sessions that have ended,
    `random(n)` returns n random bytes.
    """

    region: Region
    topology: Topology
    stores: Stores
    limits: RateLimits
    rules: LiveRules
    outbox: OutboxPublisher
    new_id: Callable[[str], str]
    clock_ms: Callable[[], int]
    user_keys: dict[str, Ed25519PrivateKey]
    others: RegionClient
    passphrases: PassphraseHasher
    revoked: RevokedSessions
    random: Callable[[int], bytes]

    @cached_property
    def limiter(self) -> Limiter:
        """Bounds what anybody may do in a while."""
        return Limiter(self.limits, self.nodes, secret_of(self.user_keys), self.random(8).hex())

    @cached_property
    def slots(self) -> RegionSlots:
        """Bounds what one region occupies."""
        return RegionSlots(AT_ONCE)

    @cached_property
    def deletion_slots(self) -> RegionSlots:
        return RegionSlots(DELETIONS_AT_ONCE)

    @cached_property
    def accounts(self) -> AccountChanges:
        return AccountChanges(self.stores.catalog, self.outbox, self.clock_ms)

    @property
    def ends(self) -> SessionEnds:
        return SessionEnds(self.stores.catalog, self.accounts, self.clock_ms)

    def signing_key(self) -> tuple[str, Ed25519PrivateKey]:
        """The key for users' tokens, with its id."""
        return keys.oldest_listed(self.user_keys, self.rules.current().public_keys(self.region.name, Purpose.USERS))

    def user_id(self, request: falcon.Request) -> str:
        """The user who makes the request. Raises Unauthenticated, Forbidden."""
        return self.access_token(request).user_id

    def access_token(self, request: falcon.Request) -> AccessToken:
        """What the user's token says. Raises Unauthenticated, and Forbidden if it does not allow this route."""
        scheme, _, text = (request.get_header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise Unauthenticated("send `Authorization: Bearer TOKEN` with an access token for this region")
        verifier = Verifier(self.region.name, self._public_keys(Purpose.USERS), self._region_name)
        token = verifier.verify(text.strip(), self.clock_ms() // 1000)
        if self.revoked.has(token.home_region, token.session_id):
            raise Unauthenticated("the session has ended; sign in again")
        scopes.require(token.scopes, request.method, request.uri_template or "")
        return token

    def require_user(self, request: falcon.Request, user_id: str) -> AccessToken:
        """Raises Misdirected if the user's home is another region, Forbidden if the token is another user's."""
        self.require_home(ids.USER, user_id)
        token = self.access_token(request)
        if token.user_id != user_id:
            raise Forbidden("the token is another user's")
        return token

    @property
    def nodes(self) -> NodeGate:
        """Which place makes a request."""
        return NodeGate(self.region.name, self.rules, self.clock_ms)

    def require_home(self, kind: str, public_id: str) -> None:
        """Raises NotFound if this is not an id of that kind, Misdirected if its home is another region."""
        region = self.home_of(kind, public_id)
        if region.name != self.region.name:
            raise Misdirected(region.name)

    def home_of(self, kind: str, public_id: str) -> Region:
        """The region in which this id was made. Raises NotFound."""
        return topology.home_of(self.topology, kind, public_id)

    def shield_name(self) -> str:
        """The edge that the newest statement names as this region's shield."""
        newest = self.rules.current().newest
        places = newest.places.values() if newest else ()
        return next((place.name for place in places if place.shield_of == self.region.name), "")

    def edge_url(self, requester: str) -> str:
        """The base URL from which the requester gets images."""
        edge = self.topology.edges.get(requester) or self.topology.shield_of(self.region.name)
        return edge.url

    def _public_keys(self, purpose: Purpose) -> node_tokens.PublicKeys:
        rules = self.rules.current()
        return lambda name: rules.public_keys(name, purpose)

    def _region_name(self, number: int) -> str | None:
        region = self.topology.region_numbered(number)
        return region.name if region else None
