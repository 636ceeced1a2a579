"""Follows across a border: somebody of another region follows an author of this one.

From then on references to the author's new photos go to that region. The answer has those to the latest ones. Who it
is stays at home: here only their region and class count, and those are what the audit log has.
"""

import falcon

from origin import fields
from origin.border.offers_resource import require_may_have_homes
from origin.context import Context
from origin.residency_guard import require_allowed
from regions import ids
from regions.border.follows import Referenced, references_document
from regions.border.photo_record import MAX_CLASS_CHARS
from regions.errors import NotFound
from regions.residency.audit import AuditTrail
from regions.residency.decide import Subject
from regions.residency.policy import Action
from regions.residency.statement import Kind
from regions.stores.feeds import BACKFILL


class FollowsResource:
    def __init__(self, context: Context, audit: AuditTrail) -> None:
        self._context, self._audit = context, audit
        self._catalog = context.stores.catalog

    def on_put(self, request: falcon.Request, response: falcon.Response, author_id: str) -> None:
        """The order closes a race with a photo that becomes ready meanwhile. The region is recorded before the photos
        are listed. So either the photo is ready before the listing, which then contains it, or the lane to the
        follower's region handles its `photo_ready` after the region was recorded, and brings the reference.
        """
        region = self._context.nodes.require(request, Kind.REGION)
        self._context.require_home(ids.USER, author_id)
        residency_class = fields.text(fields.body(request), "residency_class", MAX_CLASS_CHARS)
        require_may_have_homes(self._context, region, residency_class)
        with self._context.slots.of(region):
            self._context.limiter.take(request, response, region=region)
            self._require_say(Subject(residency_class, region))
            self._require_author(author_id)
            self._catalog.follows.add_follower_region(author_id, region)
            response.media = references_document(self._references(author_id, region))

    def _require_say(self, follower: Subject) -> None:
        """Raises ResidencyDenied if the follow of such a person may not rest here. Raises Unavailable."""
        rules, here = self._context.rules.current(), self._context.region.name
        somebody = f"{follower.residency_class} {follower.home_region}"
        require_allowed(self._audit.decide_subject(rules, somebody, follower, [Action.SAY], here)[Action.SAY])

    def _require_author(self, author_id: str) -> None:
        """Raises NotFound, so that no row is kept of somebody who never was."""
        author = self._catalog.users.get(author_id)
        if author is None or author.deleted_at_ms is not None:
            raise NotFound(f"there is no user {author_id}")

    def _references(self, author_id: str, region: str) -> list[Referenced]:
        """To the latest photos that may be referred to there. Raises Unavailable."""
        photos = self._catalog.photos.by_owner(author_id, None, BACKFILL)
        decisions = self._audit.decide(self._context.rules.current(), photos, [Action.REFERENCE], region)
        for decision in decisions.values():
            if decision.passing:
                require_allowed(decision)
        return [
            Referenced(photo.photo_id, photo.owner_id, photo.created_at_ms, photo.residency_class)
            for photo in photos
            if photo.is_public and decisions[photo.photo_id, Action.REFERENCE].allowed
        ]
