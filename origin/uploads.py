"""Uploads: a client starts one, PUTs its parts straight to the object store, and completes it.

No byte of a photo passes through the origin: it signs a URL for each part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import falcon

from origin import fields, repeats
from origin.context import Context
from regions import ids
from regions.errors import BadRequest, Conflict, Gone, NotFound, Problem, Unprocessable
from regions.events import messages
from regions.image_limits import CONTENT_TYPES, MAX_RAW_BYTES
from regions.records import MAX_CAPTION_CHARS, Photo, Status, Upload, rfc3339
from regions.stores.objects import RAW, Part, raw_key
from regions.untrusted_text import SHA256

PART_SIZE_BYTES = 5 * 1024 * 1024

_MAX_PARTS = -(-MAX_RAW_BYTES // PART_SIZE_BYTES)
_COMPLETE = "the upload is complete; delete the photo instead"
_JOINED = '"joined"'
_URL_TTL_MS = 3600 * 1000
_UPLOAD_TTL_MS = 24 * 3600 * 1000


class UploadsResource:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._catalog, self._objects = context.stores.catalog, context.stores.objects

    def on_post_init(self, request: falcon.Request, response: falcon.Response) -> None:
        user_id = self._context.user_id(request)
        self._context.require_home(ids.USER, user_id)
        photo, filename = self._new_photo(user_id, fields.body(request))
        taken = self._context.limiter.take(request, response, user=user_id, size_bytes=photo.size_bytes)
        try:
            upload, is_first = self._begin(request, photo, filename)
        except Problem:
            self._context.limiter.give_back(taken)
            raise
        if not is_first:
            self._context.limiter.give_back(taken)
        url_expires_at_ms = self._url_expiry_ms(upload)
        parts = self._sign(upload, range(1, len(upload.part_sizes()) + 1), url_expires_at_ms)
        response.media = {
            "upload_id": upload.photo_id,
            "photo_id": upload.photo_id,
            "part_size": PART_SIZE_BYTES,
            "parts": parts,
            "presigned_url": parts[0]["url"],
            "expires_at": rfc3339(url_expires_at_ms),
        }

    def on_get(self, request: falcon.Request, response: falcon.Response, upload_id: str) -> None:
        photo, upload = self._find(request, upload_id)
        arrived, missing, url_expires_at_ms = [], [], self._url_expiry_ms(upload)
        if photo.status is Status.UPLOADING:
            self._require_unexpired(upload)
            arrived = self._arrived(upload)
            missing = self._sign(upload, missing_parts(upload, arrived), url_expires_at_ms)
        response.media = {
            "upload_id": photo.photo_id,
            "photo_id": photo.photo_id,
            "status": photo.status,
            "size_bytes": upload.size_bytes,
            "sha256": photo.sha256,
            "part_size": upload.part_size_bytes,
            "parts": [{"number": part.number, "etag": part.etag, "size_bytes": part.size_bytes} for part in arrived],
            "missing": missing,
            "expires_at": rfc3339(url_expires_at_ms),
        }

    def on_delete(self, request: falcon.Request, response: falcon.Response, upload_id: str) -> None:
        """Either this or a `complete` at the same time succeeds: the catalog's `discard` decides."""
        photo, upload = self._find(request, upload_id)
        if photo.status is not Status.UPLOADING:
            raise Conflict(_COMPLETE)
        # The parts go first. If this process dies after that, the upload is still listed, and expires.
        self._objects.abort_upload(upload.multipart_id)
        if self._catalog.uploads.discard(photo.photo_id):
            self._context.limiter.give_back_upload(photo.owner_id, upload.size_bytes)
        elif self._catalog.photos.get(photo.photo_id) is not None:
            raise Conflict(_COMPLETE)
        # A `complete` that was stopped after joining the parts, by a crash or by this, has left the object.
        self._objects.delete(RAW, raw_key(photo.photo_id))
        response.status = falcon.HTTP_204

    def on_post_complete(self, request: falcon.Request, response: falcon.Response, upload_id: str) -> None:
        photo, upload = self._find(request, upload_id)
        claimed = _claimed_etags(fields.body(request))
        status = photo.status
        if status is Status.UPLOADING:
            status = self._complete(photo, upload, claimed)
        response.status = falcon.HTTP_201
        response.media = {"photo_id": photo.photo_id, "status": status}

    def _begin(self, request: falcon.Request, photo: Photo, filename: str) -> tuple[Upload, bool]:
        """The upload, and whether this request has begun it. Raises Gone, BadRequest, Unavailable."""
        multipart_id = self._objects.create_upload(RAW, raw_key(photo.photo_id))
        made = f"{photo.photo_id} {multipart_id}"
        first = repeats.first(self._context, request, photo.owner_id, made)
        if first != made:
            self._objects.abort_upload(multipart_id)
            photo_id, multipart_id = first.split(" ", 1)
            # If its record is not there yet, it is as old as its id: other regions take no photo that is much younger.
            photo = replace(photo, photo_id=photo_id, created_at_ms=ids.parse(ids.PHOTO, photo_id).at_ms)
        expires_at_ms = photo.created_at_ms + _UPLOAD_TTL_MS
        upload = Upload(photo.photo_id, multipart_id, filename, photo.size_bytes, PART_SIZE_BYTES, expires_at_ms)
        self._catalog.photos.create(photo, upload)
        if first != made and self._catalog.photos.get(photo.photo_id) is None:
            raise Gone("this request was answered before, and its photo has been deleted since")
        return upload, first == made

    def _complete(self, photo: Photo, upload: Upload, claimed: Mapping[int, str]) -> Status:
        """Completes the upload once, even if clients repeat the request, several run at once, or one died halfway.

            1. The object store joins the parts into the object.
            2. The catalog moves the photo from `uploading` to `processing`, and stores the event in the same write.
            3. The event is published.

        If the object is there already, another request has done step 1 and may have died after it, so we continue with
        step 2. Of several requests, the catalog lets only one do step 2, so there is one event. If the photo was
        discarded or deleted between 1 and 2, nothing refers to the object any more, and we delete it.

        Returns the photo's status.
        """
        self._require_unexpired(upload)
        # List the parts first. Step 1 makes the object before it drops the parts, so one of the two is always found.
        arrived = self._objects.list_parts(upload.multipart_id)
        if not self._is_whole(upload):
            self._objects.complete_upload(upload.multipart_id, chosen_parts(upload, claimed, arrived))
        event = messages.photos_uploaded(photo, self._context.clock_ms())
        processing = replace(photo, status=Status.PROCESSING)
        if self._catalog.photos.update(processing, {Status.UPLOADING}, event):
            self._context.outbox.publish(event)
            self._context.limiter.give_back_upload(photo.owner_id, upload.size_bytes)
            return processing.status
        current = self._catalog.photos.get(photo.photo_id)
        if current is None:
            self._objects.delete(RAW, raw_key(photo.photo_id))
            raise NotFound(f"the upload {photo.photo_id} was aborted")
        return current.status

    def _require_unexpired(self, upload: Upload) -> None:
        if self._context.clock_ms() >= upload.expires_at_ms:
            raise Gone("the upload has expired; start again")

    def _arrived(self, upload: Upload) -> list[Part]:
        """The parts that arrived. If they were joined already, all of them, with a placeholder for their lost ETags."""
        arrived = self._objects.list_parts(upload.multipart_id)
        if arrived or not self._is_whole(upload):
            return arrived
        return [Part(number, _JOINED, size_bytes) for number, size_bytes in enumerate(upload.part_sizes(), 1)]

    def _is_whole(self, upload: Upload) -> bool:
        """Whether step 1 of `_complete` was done, though step 2 was not, or not yet."""
        return self._objects.info(RAW, raw_key(upload.photo_id)) is not None

    def _new_photo(self, user_id: str, body: fields.Document) -> tuple[Photo, str]:
        user = self._catalog.users.get(user_id)
        if user is None or user.deleted_at_ms is not None:
            raise NotFound(f"there is no user {user_id}")
        filename = fields.text(body, "filename", 255)
        content_type = fields.text(body, "content_type", 100).lower()
        if content_type not in CONTENT_TYPES:
            accepted = ", ".join(CONTENT_TYPES)
            raise Unprocessable(f"content_type must be one of {accepted}; save others, such as raw files, as a JPEG")
        photo = Photo(
            photo_id=self._context.new_id(ids.PHOTO),
            owner_id=user.user_id,
            residency_class=user.residency_class,
            home_region=user.home_region,
            status=Status.UPLOADING,
            caption=fields.optional_text(body, "caption", MAX_CAPTION_CHARS, lines=True) or "",
            size_bytes=fields.integer(body, "size_bytes", 1, MAX_RAW_BYTES),
            sha256=fields.optional_text(body, "sha256", 64, SHA256.pattern),
            created_at_ms=self._context.clock_ms(),
            content_type=content_type,
        )
        return photo, filename

    def _find(self, request: falcon.Request, upload_id: str) -> tuple[Photo, Upload]:
        self._context.require_home(ids.PHOTO, upload_id)
        user_id = self._context.user_id(request)
        photo, upload = self._catalog.photos.get(upload_id), self._catalog.uploads.get(upload_id)
        if photo is None or upload is None or photo.owner_id != user_id:
            raise NotFound(f"there is no upload {upload_id}")
        return photo, upload

    def _url_expiry_ms(self, upload: Upload) -> int:
        return min(self._context.clock_ms() + _URL_TTL_MS, upload.expires_at_ms)

    def _sign(self, upload: Upload, numbers: Sequence[int], expires_at_ms: int) -> list[dict[str, Any]]:
        sizes = upload.part_sizes()
        signed = [
            self._objects.sign_part(upload.multipart_id, number, sizes[number - 1], expires_at_ms) for number in numbers
        ]
        return [{"number": part.number, "url": part.url, "headers": dict(part.headers)} for part in signed]


def missing_parts(upload: Upload, arrived: Sequence[Part]) -> list[int]:
    """The numbers of the parts that have not arrived with their full length."""
    sizes = {part.number: part.size_bytes for part in arrived}
    return [number for number, size in enumerate(upload.part_sizes(), 1) if sizes.get(number) != size]


def chosen_parts(upload: Upload, claimed: Mapping[int, str], arrived: Sequence[Part]) -> list[Part]:
    """The parts that make the object. Raises Unprocessable unless the client lists exactly the parts that arrived."""
    if missing := missing_parts(upload, arrived):
        raise Unprocessable(f"parts {missing} have not arrived in full; GET the upload for their URLs", missing=missing)
    wanted = range(1, len(upload.part_sizes()) + 1)
    if unlisted := [number for number in wanted if number not in claimed]:
        raise Unprocessable(f"parts {unlisted} are not in the list", missing=unlisted)
    if extra := sorted(set(claimed) - set(wanted)):
        raise Unprocessable(f"the upload has no parts {extra}", unknown=extra)
    parts = {part.number: part for part in arrived}
    if wrong := [number for number in wanted if claimed[number].strip('"') != parts[number].etag.strip('"')]:
        raise Unprocessable(f"the ETags of parts {wrong} differ from those that arrived", wrong=wrong)
    return [parts[number] for number in wanted]


def _claimed_etags(body: fields.Document) -> dict[int, str]:
    parts = fields.objects(body, "parts", _MAX_PARTS)
    claimed = {fields.integer(part, "number", 1, _MAX_PARTS): fields.text(part, "etag", 100) for part in parts}
    if len(claimed) < len(parts):
        raise BadRequest("parts contains a number twice")
    return claimed
