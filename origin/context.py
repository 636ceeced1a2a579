"""What every handler of one origin needs. Built once, at start."""

from collections.abc import Callable
from dataclasses import dataclass

import falcon
import urllib3

from origin import scopes
from origin.accounts.passphrases import PassphraseHasher
from origin.accounts.revocation import RevokedSessions
from regions import ids, tokens, topology
from regions.config import Stores
from regions.errors import Forbidden, Misdirected, Unauthenticated
from regions.events.outbox import OutboxPublisher
from regions.residency.live import LivePolicy
from regions.session_ends import SessionEnds
from regions.topology import Place, Region, Topology
from regions.user_tokens import AccessToken, Verifier


@dataclass(frozen=True)
class Context:
    """`new_id(kind)` makes an id, `clock_ms()` is the Unix time, `private_key` signs this region's tokens.

    `passphrases` hashes them, `revoked` has the sessions that have ended, `random(n)` returns n random bytes.
    """

    region: Region
    topology: Topology
    stores: Stores
    policy: LivePolicy
    outbox: OutboxPublisher
    new_id: Callable[[str], str]
    clock_ms: Callable[[], int]
    private_key: str
    http: urllib3.PoolManager
    passphrases: PassphraseHasher
    revoked: RevokedSessions
    random: Callable[[int], bytes]

    @property
    def ends(self) -> SessionEnds:
        return SessionEnds(self.stores.catalog, self.clock_ms)

    def user_id(self, request: falcon.Request) -> str:
        """The user who makes the request. Raises Unauthenticated, Forbidden."""
        return self.access_token(request).user_id

    def access_token(self, request: falcon.Request) -> AccessToken:
        """What the user's token says. Raises Unauthenticated, and Forbidden if it does not allow this route."""
        scheme, _, text = (request.get_header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise Unauthenticated("send `Authorization: Bearer TOKEN` with an access token for this region")
        verifier = Verifier(self.region.name, self.topology.public_key, self._region_name)
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

    def node(self, request: falcon.Request) -> str:
        """The region or edge that makes the request. Raises Unauthenticated."""
        return tokens.node_name(request.get_header(tokens.NODE_HEADER) or "", self.topology.public_key)

    def require_edge(self, request: falcon.Request) -> None:
        """Raises Forbidden if the caller is not an edge, Unauthenticated."""
        if self.node(request) not in self.topology.edges:
            raise Forbidden("this is for edges")

    def require_home(self, kind: str, public_id: str) -> None:
        """Raises NotFound if this is not an id of that kind, Misdirected if its home is another region."""
        region = self.home_of(kind, public_id)
        if region.name != self.region.name:
            raise Misdirected(region.name)

    def home_of(self, kind: str, public_id: str) -> Region:
        """The region in which this id was made. Raises NotFound."""
        return topology.home_of(self.topology, kind, public_id)

    def requester(self, request: falcon.Request) -> Place:
        """The place the response goes to: the edge or region named by the node token, or else this region's shield."""
        try:
            place = self.topology.place(self.node(request))
        except Unauthenticated:
            place = None
        return place or self.topology.shield_of(self.region.name).place

    def edge_url(self, requester: Place) -> str:
        """The base URL from which the requester gets images."""
        edge = self.topology.edges.get(requester.name) or self.topology.shield_of(self.region.name)
        return edge.url

    def node_token(self) -> str:
        """A token with which another server can verify that the request comes from this region."""
        return tokens.issue_node(self.region.name, self.private_key, self.clock_ms() // 1000)

    def _region_name(self, number: int) -> str | None:
        region = self.topology.region_numbered(number)
        return region.name if region else None
