"""What every handler of one origin needs. Built once, at start."""

from collections.abc import Callable
from dataclasses import dataclass

import falcon
import urllib3

from regions import ids, tokens, topology
from regions.config import Stores
from regions.errors import Forbidden, Misdirected, Unauthenticated
from regions.events.outbox import OutboxPublisher
from regions.residency.live import LivePolicy
from regions.topology import Place, Region, Topology


@dataclass(frozen=True)
class Context:
    """`new_id(kind)` makes an id, `clock_ms()` is the Unix time, `private_key` signs this region's tokens."""

    region: Region
    topology: Topology
    stores: Stores
    policy: LivePolicy
    outbox: OutboxPublisher
    new_id: Callable[[str], str]
    clock_ms: Callable[[], int]
    private_key: str
    http: urllib3.PoolManager

    def user_id(self, request: falcon.Request) -> str:
        """The user who makes the request. Raises Unauthenticated."""
        scheme, _, token = (request.get_header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("send `Authorization: Bearer TOKEN` with the token that you got when you signed up")
        return tokens.user_id(token.strip(), self.topology.public_key, self._region_name)

    def require_user(self, request: falcon.Request, user_id: str) -> None:
        """Raises Misdirected if the user's home is another region, Forbidden if the token is another user's."""
        self.require_home(ids.USER, user_id)
        if self.user_id(request) != user_id:
            raise Forbidden("the token is another user's")

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
