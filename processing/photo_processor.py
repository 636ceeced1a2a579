"""Handles one uploaded photo: runs its job and records the outcome, in one write with the event that reports it.

Idempotent: a photo that is no longer `processing` is not processed again. Deletions, and other jobs for the same photo,
may run at the same time without a lock. Whatever their order, the objects that remain are those that the catalog
records: none of a deleted photo, no variant of a failed one (`PhotoProcessor._remove_leftovers` explains the races).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from processing import job, moderation
from processing.fair_queue import Urgency
from regions.cluster import WorkerDied
from regions.config import Stores
from regions.errors import Unavailable
from regions.events import messages
from regions.events.messages import Event
from regions.events.outbox import OutboxPublisher
from regions.last_known import LastKnown
from regions.records import Photo, Reason, Status, Variant
from regions.stores import photo_objects
from regions.stores.settings import KNOWN_BAD

log = logging.getLogger(__name__)

BUDGET_S = 60.0
"""How long one photo may take. The slowest measured, an interlaced 16-bit PNG of 120 megapixels, takes 6 s."""

MOST_DEATHS = 2
"""A photo that has cost this many worker processes is not tried again, whatever was restarted in between."""

Run = Callable[[job.JobRequest, Urgency, str], Awaitable[job.Final]]
"""Runs a job with this urgency, for this owner. Raises WorkerDied, and Unavailable."""

_INTERNAL = Reason("internal", "the photo could not be processed; this is our fault, and it has been logged")
_KILLS = job.Rejected(Status.FAILED, Reason("kills-workers", f"the photo has brought down {MOST_DEATHS} processes"))


def with_outcome(photo: Photo, outcome: job.Final) -> Photo:
    """The photo as it is after its job. Pure."""
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
        location=outcome.location,
        perceptual_hash=outcome.perceptual_hash,
        placeholder=outcome.placeholder,
        variants=_with_older_recipes(photo, outcome),
        recipe=outcome.recipe,
    )


def _with_older_recipes(photo: Photo, outcome: job.Ready) -> tuple[Variant, ...]:
    """The new variants, and those that the photo had under other names: the URLs that people have still give them."""
    names = {variant.name for variant in outcome.variants}
    return (*(variant for variant in photo.variants if variant.name not in names), *outcome.variants)


class PhotoProcessor:
    """`handle` and all of `run` belong to one event loop; what blocks, the stores, is called on `threads`."""

    def __init__(
        self,
        region: str,
        stores: Stores,
        run: Run,
        outbox: OutboxPublisher,
        clock_ms: Callable[[], int],
        threads: Executor,
    ) -> None:
        self._region, self._catalog, self._objects = region, stores.catalog, stores.objects
        self._last_known_settings = LastKnown(stores.settings.values.read)
        self._run, self._outbox, self._clock_ms, self._threads = run, outbox, clock_ms, threads

    async def handle(self, urgency: Urgency, event: Event) -> None:
        """Raises Unavailable if a store or the cluster is unavailable, or if the known-bad list can't be read."""
        while begun := await self._in_thread(self._begin, event.body["photo_id"]):
            photo, request = begun
            try:
                outcome = await self._run(request, urgency, photo.owner_id)
            except WorkerDied:
                # Before the photo is tried again: a later process must know.
                await self._in_thread(self._record_death, photo)
                continue
            await self._in_thread(self._finish, photo, outcome)
            break

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _begin(self, photo_id: str) -> tuple[Photo, job.JobRequest] | None:
        """The photo, and what its job is to do; None if there is nothing to do for it any more."""
        photo = self._catalog.photos.get(photo_id)
        if photo is None or photo.status is not Status.PROCESSING:
            self._remove_leftovers(photo_id)
            return None
        if photo.worker_deaths >= MOST_DEATHS:
            self._finish(photo, _KILLS)
            return None
        request = job.JobRequest(self._region, photo_id, photo.size_bytes, photo.sha256, self._known_bad(), BUDGET_S)
        return photo, request

    def _record_death(self, photo: Photo) -> None:
        deaths = photo.worker_deaths + 1
        log.error("a worker died with a photo", extra={"photo_id": photo.photo_id, "deaths": deaths})
        self._catalog.photos.update(replace(photo, worker_deaths=deaths), {Status.PROCESSING}, None)

    def _finish(self, photo: Photo, outcome: job.Final) -> None:
        processed = with_outcome(photo, outcome)
        # No more than this: hashes, camera and times must go with the photo when it is deleted, and logs stay.
        code = processed.reason.code if processed.reason else None
        log.info("photo processed", extra={"photo_id": photo.photo_id, "status": processed.status, "reason": code})
        self._record(processed)

    def give_up(self, event: Event, error: Exception) -> None:
        """Marks the photo as failed when its event goes to the dead letters, so that it isn't `processing` forever."""
        photo = self._catalog.photos.get(event.body["photo_id"])
        if photo is not None:
            self._record(replace(photo, status=Status.FAILED, reason=_INTERNAL))

    def _known_bad(self) -> moderation.KnownBad:
        """The list as it was last read, if the settings are unavailable now.

        Fails closed: raises Unavailable if this process never read it or if it can't be parsed. Then photos wait.
        """
        setting = self._last_known_settings.get(KNOWN_BAD)
        try:
            return moderation.parse(setting.value if setting else "")
        except moderation.KnownBadError as error:
            log.error("photos wait for a readable known-bad list", extra={"error": str(error)})
            raise Unavailable(f"photos wait for a readable known-bad list: {error}") from error

    def _record(self, photo: Photo) -> None:
        """Writes the outcome unless another delivery of the event, or a deletion, was faster: then the first wins."""
        event = messages.photo_ready(photo, self._clock_ms()) if photo.status is Status.READY else None
        changed = self._catalog.photos.update(photo, {Status.PROCESSING}, event)
        if changed and event is not None:
            self._outbox.publish(event)
        else:
            self._remove_leftovers(photo.photo_id)

    def _remove_leftovers(self, photo_id: str) -> None:
        """Deletes the objects that the catalog does not record.

        Call it only when this delivery has nothing left to record.

        The order matters, because nothing locks a photo. A job first stores variants, then records its outcome if the
        photo is still `processing`, and only then looks here at what the catalog records:

        - A deletion writes the tombstone first and erases objects afterwards. Either this job stored its variants
          before that erasure, which then removes them, or the tombstone is already there when this reads the catalog.
        - Of two jobs for one photo (a repeated delivery), one records first. If it recorded `ready`, the other leaves
          the variants, which are the same bytes. If it recorded `failed`, no job can make the photo ready any more, so
          its variants can go. While the photo is still `processing`, nothing is deleted: the other job may succeed.

        If this process is killed in between, its event is delivered again and comes here again.
        """
        photo = self._catalog.photos.get(photo_id)
        deleted = photo is None and self._catalog.tombstones.get(photo_id) is not None
        if deleted:
            photo_objects.delete_all(self._objects, photo_id)
        elif photo is not None and photo.status in (Status.FAILED, Status.REJECTED):
            photo_objects.delete_variants(self._objects, photo_id)
