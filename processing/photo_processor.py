"""What becomes of one uploaded photo: the job is run, and its outcome recorded, in one write with its event.

Idempotent: a photo that is no longer `processing` is not processed again. Whatever happened meanwhile, what
lies in objects in the end is what the catalog says: nothing of a deleted photo, no variant of a failed one.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from processing import job, moderation
from regions.config import Config, Stores
from regions.errors import Unavailable
from regions.events import messages
from regions.events.messages import Event
from regions.events.outbox import Outbox
from regions.image_limits import VARIANT_SIZES
from regions.last_known import LastKnown
from regions.records import Photo, Reason, Status
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_key
from regions.stores.settings import KNOWN_BAD

log = logging.getLogger(__name__)

BUDGET_S = 60.0
"""How long one photo may take. The slowest measured, an interlaced 16-bit PNG of 120 megapixels, takes 6 s."""

_INTERNAL = Reason("internal", "the photo could not be processed; this is our fault, and it has been noted")


def recorded(photo: Photo, outcome: job.Outcome) -> Photo:
    """The photo as it stands after its job. Pure."""
    if isinstance(outcome, job.Rejected):
        return replace(photo, status=outcome.status, reason=outcome.reason)
    return replace(
        photo,
        status=Status.READY,
        content_type=outcome.content_type,
        width=outcome.width,
        height=outcome.height,
        sha256=outcome.sha256,
        taken_at=outcome.taken_at,
        camera=outcome.camera,
        perceptual_hash=outcome.perceptual_hash,
        variants=outcome.variants,
    )


class PhotoProcessor:
    """Handles `photos_uploaded`. `run` does the job, wherever."""

    def __init__(
        self,
        config: Config,
        region: str,
        stores: Stores,
        run: Callable[[job.JobRequest], job.Outcome],
        outbox: Outbox,
        clock_ms: Callable[[], int],
    ) -> None:
        self._config, self._region = config, region
        self._catalog, self._objects = stores.catalog, stores.objects
        self._live_settings = LastKnown(stores.settings.values.read)
        self._run, self._outbox, self._clock_ms = run, outbox, clock_ms

    def handle(self, event: Event) -> None:
        photo_id = event.body["photo_id"]
        photo = self._catalog.photos.get(photo_id)
        if photo is not None and photo.status is Status.PROCESSING:
            outcome = self._run(self._request(photo))
            log.info("photo processed", extra={"photo_id": photo_id, "outcome": repr(outcome)[:500]})
            self._record(recorded(photo, outcome))
        else:
            self._tidy(photo_id)

    def give_up(self, event: Event, error: Exception) -> None:
        """The photo whose event goes to the dead letters has failed; it does not stay `processing`."""
        photo = self._catalog.photos.get(event.body["photo_id"])
        if photo is not None:
            self._record(replace(photo, status=Status.FAILED, reason=_INTERNAL))

    def _request(self, photo: Photo) -> job.JobRequest:
        return job.JobRequest(
            self._config, self._region, photo.photo_id, photo.size_bytes, photo.sha256, self._known_bad(), BUDGET_S
        )

    def _known_bad(self) -> moderation.KnownBad:
        """While the settings are away, the list as it was last had; where there was none yet, or it can't be read,
        no photo passes: all wait until it can."""
        setting = self._live_settings.get(KNOWN_BAD)
        try:
            return moderation.parse(setting.value if setting else "")
        except moderation.KnownBadError as error:
            log.error("photos are held back", extra={"error": str(error)})
            raise Unavailable(f"photos are held back: {error}") from error

    def _record(self, photo: Photo) -> None:
        event = messages.photo_ready(photo, self._clock_ms()) if photo.status is Status.READY else None
        changed = self._catalog.photos.update(photo, {Status.PROCESSING}, event)
        if changed and event is not None:
            self._outbox.publish(event)
        else:
            self._tidy(photo.photo_id)

    def _tidy(self, photo_id: str) -> None:
        """Only after the catalog has the last word: then no other job can still make the photo ready."""
        photo = self._catalog.photos.get(photo_id)
        deleted = photo is None and self._catalog.tombstones.get(photo_id) is not None
        if deleted or (photo is not None and photo.status in (Status.FAILED, Status.REJECTED)):
            for size in VARIANT_SIZES:
                self._objects.delete(VARIANTS, variant_key(photo_id, size))
        if deleted:
            self._objects.delete(RAW, raw_key(photo_id))
