"""What an edge hears of each region, once a second: its tombstones, and the statement that it holds.

Both come with one request, to the region's shield, or from a shield to its origin. The answer renews this edge's lease
for the region's data. A statement that it names and that is unknown here is fetched, verified and kept first.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from edge.node_client import NodeClient, Reply
from regions import node_tokens, tombstone_cursors
from regions.errors import BadGateway, Problem, StatementError, Unavailable
from regions.node_tokens import Call
from regions.residency import reports
from regions.residency.live import FollowedRules
from regions.residency.statement import Kind, Purpose
from regions.topology import Edge, Topology

log = logging.getLogger(__name__)

# A shield waits for its origin, so who asks it waits longer.
_ORIGIN_S, _SHIELD_S = 3.0, 5.0


class RegionNews:
    """For `edge`. `clock_s` is the Unix time, for tokens."""

    def __init__(
        self, topology: Topology, edge: Edge, node_client: NodeClient, rules: FollowedRules, clock_s: Callable[[], int]
    ) -> None:
        self._topology, self._edge, self._node_client = topology, edge, node_client
        self._rules, self._clock_s = rules, clock_s
        self._unusable: set[str] = set()

    def poll(self, region: str, cursors: Mapping[int, int]) -> Any:
        """As `fetch`, for the loop that asks this region again and again, also while it does not answer."""
        return self._fetch(region, cursors, self._node_client.poll)

    def fetch(self, region: str, cursors: Mapping[int, int]) -> Any:
        """The tombstones after the cursors, as the document that came. Raises Unavailable and BadGateway.

        If the statement in it can't be used, that is alarmed, and this edge's lease is not renewed.
        """
        return self._fetch(region, cursors, self._node_client.request)

    def serial(self) -> int:
        """That of the oldest statement in force, of those of the regions; 0 while one has none."""
        in_force = [self._rules.of(region).in_force for region in self._topology.regions]
        return min(statement.serial if statement else 0 for statement in in_force)

    def signed(self, region: str, hash: str) -> str:
        """The signed text of a statement, from here or from the region. Raises NotFound, Unavailable, BadGateway."""
        return self._rules.signed(hash) or self._fetch_signed(region, hash)

    def sender(self, token: str, call: Call) -> str:
        """The node that proves with the token that it makes the call. Raises Unauthenticated, Unavailable."""
        rules = self._rules.everywhere()
        if not rules.statements:
            raise Unavailable("this edge has no statement yet, so it knows nobody")
        keys_of = lambda name: rules.public_keys(name, Purpose.NODE)  # noqa: E731
        return node_tokens.sender(token, call, keys_of, self._clock_s())

    def _fetch(self, region: str, cursors: Mapping[int, int], send: Callable[..., Reply]) -> Any:
        asked_s = self._rules.clock_s()
        body = json.dumps({"after": tombstone_cursors.to_document(cursors)}).encode()
        document = self._answered(send, region, "POST", "/v1/tombstones", "/edge/tombstones", body).json()
        if not isinstance(document, dict):
            raise BadGateway(f"{region} sent no tombstones")
        try:
            report = reports.from_document(document.get("statement"), region)
            self._rules.hear(report, asked_s, lambda hash: self._fetch_signed(region, hash))
            self._unusable.discard(region)
        except (Problem, StatementError) as error:
            if region not in self._unusable:
                log.error("ALARM: a region's statement can't be used", extra={"of": region, "error": str(error)})
            self._unusable.add(region)
        return document

    def is_edge(self, name: str) -> bool:
        """By the statements that this edge knows."""
        place = self._rules.everywhere().place(name)
        return place is not None and place.kind == Kind.EDGE

    def _fetch_signed(self, region: str, hash: str) -> str:
        paths = (f"{reports.PATH}/{hash}", f"/edge/statement/{hash}")
        document = self._answered(self._node_client.request, region, "GET", *paths).json()
        if not isinstance(document, dict) or not isinstance(document.get("signed"), str):
            raise BadGateway(f"{region} sent no statement")
        return str(document["signed"])

    def _answered(
        self, send: Callable[..., Reply], region: str, method: str, at_origin: str, at_shield: str, body: bytes = b""
    ) -> Reply:
        """A shield asks its own origin; all other edges ask the region's shield. Each has a path for it."""
        if self._edge.shield_of == region:
            receiver, url, within_s = region, self._topology.regions[region].origin + at_origin, _ORIGIN_S
        else:
            shield = self._topology.shield_of(region)
            receiver, url, within_s = shield.name, shield.url + at_shield, _SHIELD_S
        headers = {"Content-Type": "application/json"} if body else {}
        reply = send(receiver, method, url, headers, body or None, within_s)
        if reply.status != 200:
            raise BadGateway(f"{receiver} responded to {method} {at_shield[:20]} with {reply.status}")
        return reply
