"""Takes what a request costs from the limits of its route, before anything else of it is done.

What is kept says nothing of anybody: each key is a keyed hash of a limit's name and of who takes from it.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence

import falcon
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from origin import limits as route_limits
from origin.limits import BY_ROUTE, GIVEN_BACK, REFERENCES, REFERENCES_AGAIN, REGION_BYTES, RouteLimit, Who
from origin.node_gate import NodeGate
from regions.node_tokens import CLIENT_HEADER
from regions.stores.limits import RateLimits, Unit, Wanted, is_granted

_PURPOSE = b"darkroom limits"


class Limiter:
    """`secret` is the same in all processes of a region; `process` is this one's own name."""

    def __init__(self, limits: RateLimits, nodes: NodeGate, secret: bytes, process: str) -> None:
        self._limits, self._nodes, self._secret, self._process = limits, nodes, secret, process

    def take(
        self,
        request: falcon.Request,
        response: falcon.Response,
        *,
        user: str = "",
        account: str = "",
        session: str = "",
        region: str = "",
        size_bytes: int = 0,
        count: int = 1,
    ) -> list[Wanted]:
        """What was taken, for `count` requests in one. Raises TooManyRequests, and then nothing was.

        Either way the response says what is left.
        """
        network = self._network(request)
        who = {
            Who.USER: user,
            Who.NETWORK: network,
            Who.ACCOUNT: account,
            Who.ACCOUNT_AT_NETWORK: f"{account} {network}",
            Who.SESSION: session,
            Who.PROCESS: self._process,
            Who.REGION: region,
        }
        limits = BY_ROUTE[request.method, request.uri_template or ""]
        wanted = self._wanted(limits, who, size_bytes, count)
        standings = self._limits.take(wanted)
        response.set_headers(route_limits.fields(standings))
        if not is_granted(standings):
            raise route_limits.refusal(limits, standings)
        return wanted

    def take_bytes(self, region: str, size_bytes: int) -> None:
        """What the region may PUT here. Raises TooManyRequests, and then nothing was taken."""
        standings = self._limits.take(self._wanted([REGION_BYTES], {Who.REGION: region}, size_bytes))
        if not is_granted(standings):
            raise route_limits.refusal([REGION_BYTES], standings)

    def may_refer(self, author_id: str, photo_id: str) -> bool:
        """Whether feeds take one more photo of this author of another region for now, or have taken this one lately."""
        who = {Who.AUTHOR: author_id, Who.PHOTO: photo_id}
        of_author, again = self._limits.take(self._wanted([REFERENCES, REFERENCES_AGAIN], who, 0))
        # Both are taken or neither: so a photo is known only if it was counted.
        return of_author.retry_after_s == 0 or again.retry_after_s > 0

    def give_back(self, taken: Sequence[Wanted]) -> None:
        """What of it costs nothing, if the request ended well."""
        free = {one.limit for one in GIVEN_BACK}
        if returned := [one for one in taken if one.limit in free]:
            self._limits.give_back(returned)

    def give_back_upload(self, user: str, size_bytes: int) -> None:
        """An upload that a request before has begun is unfinished no more."""
        unfinished = (route_limits.UNFINISHED, route_limits.UNFINISHED_BYTES)
        self._limits.give_back(self._wanted(unfinished, {Who.USER: user}, size_bytes))

    def _wanted(
        self, limits: Collection[RouteLimit], who: Mapping[Who, str], size_bytes: int, count: int = 1
    ) -> list[Wanted]:
        return [
            Wanted(one.limit, self._key(one, who[one.who]), size_bytes if one.limit.unit is Unit.BYTES else count)
            for one in limits
        ]

    def _key(self, limit: RouteLimit, who: str) -> str:
        text = f"{limit.limit.name}\n{who}".encode()
        return hashlib.blake2b(text, key=self._secret, digest_size=16).hexdigest()

    def _network(self, request: falcon.Request) -> str:
        """The client's: as an edge says that proves who it is, else that of the connection.

        An edge that says nothing counts as one client.
        """
        node = self._nodes.requester(request)
        address = (request.get_header(CLIENT_HEADER) or node) if node else request.remote_addr
        return route_limits.network_of(address)


def secret_of(user_keys: Mapping[str, Ed25519PrivateKey]) -> bytes:
    """Derived from what all origins of a region have and nobody else: the oldest of its keys for users' tokens."""
    private = user_keys[min(user_keys)].private_bytes_raw()
    return hashlib.blake2b(_PURPOSE, key=private, digest_size=32).digest()
