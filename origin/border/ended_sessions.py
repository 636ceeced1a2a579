"""Ended sessions: other regions' origins poll them, and then refuse the access tokens of those sessions."""

import json

import falcon

from origin import fields
from origin.accounts.revocation import PAGE, Position, parse_page
from origin.context import Context
from regions.errors import Unavailable
from regions.region_client import RegionRequest
from regions.residency.statement import Kind
from regions.topology import Region

_PAGE_S = 2.0
# A page of a thousand has about 80 kB.
_MAX_REPLY_BYTES = 1 << 20
_MAX_MS = 1 << 53


class EndedSessionsResource:
    """What ended after a position, of the sessions that had a token for the requesting region, and where to go on.

    A POST, although it changes nothing, like that for tombstones.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        region = self._context.nodes.require(request, Kind.REGION)
        body = fields.body(request)
        at_ms, session_id = fields.integer(body, "after_ms", 0, _MAX_MS), fields.optional_text(body, "after", 40) or ""
        with self._context.slots.of(region):
            entries = self._context.stores.catalog.ended_sessions.after(at_ms, session_id, PAGE)
        last = entries[-1] if len(entries) == PAGE else None
        response.media = {
            "items": [{"at_ms": one.at_ms, "session_id": one.session_id} for one in entries if region in one.regions],
            "next": {"at_ms": last.at_ms, "session_id": last.session_id} if last else None,
        }


def fetch_own(context: Context, after: Position) -> tuple[list[Position], Position | None]:
    """What `RevocationReader` reads from this region's own catalog. Raises Unavailable."""
    entries = context.stores.catalog.ended_sessions.after(after.at_ms, after.session_id, PAGE)
    positions = [Position(one.at_ms, one.session_id) for one in entries]
    return positions, positions[-1] if len(positions) == PAGE else None


def fetch_from(context: Context, region: Region, after: Position) -> tuple[list[Position], Position | None]:
    """The same from another region's origin. Raises Unavailable, BadGateway."""
    body = json.dumps({"after_ms": max(0, after.at_ms), "after": after.session_id}).encode()
    wanted = RegionRequest(region.name, region.origin, "POST", "/border/v1/ended-sessions", body, _MAX_REPLY_BYTES)
    reply = context.others.poll(wanted, _PAGE_S)
    try:
        document = json.loads(reply.body) if reply.status == 200 else None
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"{region.name} gives no usable answer") from error
    return parse_page(document)
