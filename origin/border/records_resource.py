"""Records of other regions' people, of which this is the second region: kept as they come, and shown to nobody.

Only the home of the user or photo that a record is about may send it. What it says of somebody of a third region, who
liked a photo there, can't be verified here; only their class must be one of people of that region.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import falcon

from origin import fields
from origin.border.batches import BatchThreads
from origin.border.offers_resource import require_may_have_homes, require_speaks_for, stated_home
from origin.context import Context
from origin.residency_guard import require_allowed
from regions import ids
from regions.border.batches import MAX_ITEMS
from regions.border.bounds import AHEAD_MS
from regions.border.kinds import KINDS
from regions.border.records import SentRecord, kept_document, parse_record
from regions.errors import BadRequest
from regions.residency.audit import AuditTrail
from regions.residency.decide import Subject
from regions.residency.statement import Kind
from regions.stores.catalog import RecordCopy


class RecordsResource:
    def __init__(self, context: Context, audit: AuditTrail, threads: BatchThreads) -> None:
        self._context, self._audit, self._threads = context, audit, threads

    def on_put(self, request: falcon.Request, response: falcon.Response) -> None:
        region = self._context.nodes.require(request, Kind.REGION)
        items = fields.objects(fields.body(request), "records", MAX_ITEMS)
        self._context.limiter.take(request, response, region=region, count=len(items))
        with self._context.slots.of(region):
            response.media = self._threads.answered(region, request.path, items, partial(self._kept, region))

    def _kept(self, region: str, item: fields.Document) -> Mapping[str, Any]:
        try:
            record = parse_record(item)
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"this is no record: {error}") from error
        name, kind = record.name, KINDS[record.name.kind]
        require_speaks_for(self._context, region, kind.about, name.about)
        if record.version > self._context.clock_ms() + AHEAD_MS:
            # Nothing could ever replace it.
            raise BadRequest("the record's version is of the future")
        self._require_allowed(record)
        copy = RecordCopy(region, name.kind, name.about, name.part, record.version, record.document)
        [other_version] = self._context.stores.catalog.copies.put([copy])
        return kept_document(other_version)

    def _require_allowed(self, record: SentRecord) -> None:
        """Decides, and logs it. Raises ResidencyDenied, Forbidden, Unavailable."""
        home = stated_home(self._context, ids.USER, record.person_id)
        require_may_have_homes(self._context, home, record.residency_class)
        action = KINDS[record.name.kind].action
        subject, here = Subject(record.residency_class, home), self._context.region.name
        made = self._audit.decide_subject(self._context.rules.current(), record.person_id, subject, [action], here)
        require_allowed(made[action])
