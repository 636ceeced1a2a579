"""Handles one photo: runs its job and records the outcome, in one write with the event that reports it.

An uploaded photo is `processing` meanwhile. One that is processed again stays `ready` all the time: it gets the new
variants, or stays as it was. Idempotent: a photo that has its outcome is not processed once more. Deletions, and other
jobs for the same photo, may run at the same time without a lock. Whatever their order, the objects that remain are
those that the catalog records: none of a deleted photo, no variant of a failed one (`PhotoProcessor._remove_leftovers`
explains the races).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any

from processing import job
from processing.fair_queue import Urgency
from processing.imaging import recipe
from regions.cluster.dask_cluster import WorkerDied
from regions.config import Stores
from regions.errors import Unavailable
from regions.events import messages
from regions.events.messages import Event
from regions.events.outbox import OutboxPublisher
from regions.records import Photo, Reason, Status, Variant
from regions.stores import photo_objects
from regions.stores.objects import RAW, raw_key

log = logging.getLogger(__name__)

BUDGET_S = 60.0
"""How long one photo may take, without its store. The slowest measured takes 6 s: an interlaced PNG of
120 megapixels with 16 bits."""

MOST_DEATHS = 2
"""A photo that has cost this many worker processes is not tried again, whatever was restarted in between."""

Run = Callable[[job.JobRequest, Urgency, str], Awaitable[job.Final]]
"""Runs a job with this urgency, for this owner. Raises WorkerDied, and Unavailable."""

FindNearDuplicate = Callable[[str, str, str], Awaitable[str | None]]
"""Which original of this owner this photo, with this perceptual hash, looks like. Raises Unavailable."""

_Begun = tuple[Photo, job.JobRequest]

_INTERNAL = Reason("internal", "the photo could not be processed; this is our fault, and it has been logged")
_KILLS = job.Rejected(
    Status.FAILED,
    Reason(
        "kills-workers",
        f"{MOST_DEATHS} processes have died or hung with the photo; save it with another program and upload that",
    ),
)


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


def is_due(photo: Photo, retry_failed: bool, region: str) -> bool:
    """Whether a backfill has something to do for the photo. Pure.

    With `retry_failed`, one that is `processing` may have failed before an earlier delivery of the same event.
    """
    if photo.home_region != region:
        return False
    if photo.status is Status.READY:
        return photo.recipe < recipe.RECIPE
    return retry_failed and photo.status in (Status.FAILED, Status.PROCESSING)


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
        find_near_duplicate: FindNearDuplicate,
        outbox: OutboxPublisher,
        clock_ms: Callable[[], int],
        threads: Executor,
    ) -> None:
        self._region, self._catalog, self._objects = region, stores.catalog, stores.objects
        self._run, self._find_near_duplicate = run, find_near_duplicate
        self._outbox, self._clock_ms, self._threads = outbox, clock_ms, threads
        self._unrecorded_deaths: Counter[str] = Counter()
        """Of workers, by photo, while the catalog is away."""

    async def handle(self, urgency: Urgency, event: Event) -> None:
        """Raises Unavailable if a store, the cluster or an actor is away."""
        photo_id = event.body["photo_id"]
        await self._process(urgency, photo_id, partial(self._begin, photo_id))

    async def handle_backfill(self, event: Event) -> None:
        """Raises the same, and Unavailable if the event is for a processor with a newer recipe."""
        await self._process(Urgency.BACKFILL, event.body["photo_id"], partial(self._begin_again, event))

    async def _process(self, urgency: Urgency, photo_id: str, begin: Callable[[], _Begun | None]) -> None:
        while begun := await self._in_thread(begin):
            photo, request = begun
            try:
                outcome = await self._run(request, urgency, photo.owner_id)
            except WorkerDied:
                self._unrecorded_deaths[photo_id] += 1
                continue
            await self._in_thread(self._finish, await self._compared(photo, outcome), outcome)
            break
        # Recorded, or the photo is gone.
        self._unrecorded_deaths.pop(photo_id, None)

    async def _compared(self, photo: Photo, outcome: job.Final) -> Photo:
        """A photo that is processed again has its answer already: by now it would be compared with later ones."""
        if photo.status is Status.READY or isinstance(outcome, job.Rejected) or outcome.perceptual_hash is None:
            return photo
        find = partial(self._find_near_duplicate, photo.owner_id, photo.photo_id, outcome.perceptual_hash)
        try:
            found = await find()
        except Unavailable:
            # Once more, since otherwise the whole job is done again, just when everything takes long.
            found = await find()
        return replace(photo, near_duplicate_of=found)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _begin(self, photo_id: str) -> _Begun | None:
        """The photo, and what its job is to do; None if there is nothing to do for it any more."""
        photo = self._catalog.photos.get(photo_id)
        if photo is None or photo.status is not Status.PROCESSING:
            self._remove_leftovers(photo_id)
            return None
        return self._request(photo)

    def _begin_again(self, event: Event) -> _Begun | None:
        if event.body["recipe"] > recipe.RECIPE:
            raise Unavailable("the photo waits for a processor of a newer version")
        photo_id = event.body["photo_id"]
        photo = self._catalog.photos.get(photo_id)
        if photo is None or not is_due(photo, event.body["retry_failed"], self._region):
            self._remove_leftovers(photo_id)
            return None
        if photo.status is Status.FAILED and not self._retry(photo):
            return None
        return self._request(photo) if photo.status is Status.READY else self._begin(photo_id)

    def _retry(self, photo: Photo) -> bool:
        """Makes a failed photo `processing`; False if that is impossible. Its deaths were those of older decoders."""
        if self._objects.info(RAW, raw_key(photo.photo_id)) is None:
            log.warning("a failed photo has no raw any more", extra={"photo_id": photo.photo_id})
            return False
        again = replace(photo, status=Status.PROCESSING, reason=None, worker_deaths=0)
        return self._catalog.photos.update(again, {Status.FAILED}, None)

    def _request(self, photo: Photo) -> _Begun | None:
        if photo.photo_id in self._unrecorded_deaths:
            # Before the photo is tried again: a later process must know.
            photo = self._record_deaths(photo)
        if photo.worker_deaths >= MOST_DEATHS:
            self._finish(photo, _KILLS)
            return None
        return photo, job.JobRequest(self._region, photo.photo_id, photo.size_bytes, photo.sha256, BUDGET_S)

    def _record_deaths(self, photo: Photo) -> Photo:
        deaths = photo.worker_deaths + self._unrecorded_deaths[photo.photo_id]
        log.error("a worker died with a photo", extra={"photo_id": photo.photo_id, "deaths": deaths})
        counted = replace(photo, worker_deaths=deaths)
        self._catalog.photos.update(counted, {photo.status}, None)
        del self._unrecorded_deaths[photo.photo_id]
        return counted

    def _finish(self, photo: Photo, outcome: job.Final) -> None:
        if photo.status is Status.READY:
            return self._finish_again(photo.photo_id, outcome)
        processed = with_outcome(photo, outcome)
        # No more than this: hashes, camera and times must go with the photo when it is deleted, and logs stay.
        code = processed.reason.code if processed.reason else None
        log.info("photo processed", extra={"photo_id": photo.photo_id, "status": processed.status, "reason": code})
        self._record(processed)

    def _finish_again(self, photo_id: str, outcome: job.Final) -> None:
        """A photo that can't be processed again stays as it was.

        Also one that is known to be bad by now: edges and other regions have copies of a photo that was ready, and
        only a deletion reaches those. So somebody has to decide.
        """
        if isinstance(outcome, job.Rejected):
            fields = {"photo_id": photo_id, "would_be": outcome.status, "reason": outcome.reason.code}
            log.error("a ready photo was not processed again", extra=fields)
            return self._remove_leftovers(photo_id)
        # Read again: it may have waited for hours behind fresh ones, and the update replaces all of the record.
        photo = self._catalog.photos.get(photo_id)
        if photo is None or photo.status is not Status.READY or photo.recipe >= outcome.recipe:
            return self._remove_leftovers(photo_id)
        processed = with_outcome(photo, outcome)
        self._publish(processed, {Status.READY}, messages.photo_ready_again(processed, self._clock_ms()))

    def give_up(self, event: Event, error: Exception) -> None:
        """Marks the photo as failed when its event goes to the dead letters, so that it isn't `processing` forever."""
        photo = self._catalog.photos.get(event.body["photo_id"])
        if photo is None:
            return self._remove_leftovers(event.body["photo_id"])
        self._record(replace(photo, status=Status.FAILED, reason=_INTERNAL))

    def _record(self, photo: Photo) -> None:
        """Writes the outcome unless another delivery of the event, or a deletion, was faster: then the first wins."""
        event = messages.photo_ready(photo, self._clock_ms()) if photo.status is Status.READY else None
        self._publish(photo, {Status.PROCESSING}, event)

    def _publish(self, photo: Photo, expected: set[Status], event: Event | None) -> None:
        changed = self._catalog.photos.update(photo, expected, event)
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
