"""Records as typed columns: which columns a record has, and how its values become columns and back. Pure.

An operator can read them in cqlsh, a reader takes only those that it needs, and `ALTER TABLE … ADD` evolves them: a
program names the columns that it knows. A type gets no more fields: a program that does not know them could read its
values, but not write any, since the driver wants a value for each field. What is new gets a column of its own. Times
are CQL timestamps, which the driver takes as Unix milliseconds and gives as `datetime` in UTC without a zone.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from regions.records import (
    PUBLIC,
    AuditEntry,
    Comment,
    Fingerprint,
    Location,
    Photo,
    PhotoSummary,
    Reason,
    Replica,
    Status,
    Tombstone,
    Upload,
    User,
    Variant,
)

USER = "name, country, residency_class, home_region, created_at, handle, deleted_at"
PHOTO = (
    "status, owner_id, residency_class, home_region, caption, size_bytes, sha256, created_at, content_type, width,"
    " height, taken_at, camera, phash, variants, reason, recipe, visibility,"
    " latitude, longitude, altitude_m, placeholder, worker_deaths, near_duplicate_of"
)
SUMMARY = (
    "status, owner_id, residency_class, home_region, caption, created_at, width, height, recipe, visibility,"
    " placeholder"
)
"""What a page reads of a photo. All columns, with the list of variants that the driver decodes value by value, took 1.6
times as much processor time."""
FINGERPRINT = "phash, near_duplicate_of"
"""What the list of an owner's photos has of each, beside its id."""
TOMBSTONE = "owner_id, deleted_at"
COMMENT = "author_id, text, created_at, residency_class"
AUDIT = "action, place, allowed, rule, policy_version, at"

TYPES = {
    "upload": "(multipart_id text, filename text, size_bytes bigint, part_size_bytes int, expires_at timestamp)",
    "variant": "(size int, width int, height int, size_bytes bigint, sha256 text, recipe int, format text)",
    "reason": "(code text, detail text)",
    "replica": "(raw boolean, variants boolean, rule text, policy_version text, at timestamp)",
}
"""The user-defined types of columns."""

_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)

Values = Sequence[Any]


def placeholders(columns: str) -> str:
    return ", ".join("?" for _ in columns.split(","))


def assignments(columns: str) -> str:
    return ", ".join(f"{column.strip()} = ?" for column in columns.split(","))


def from_user(user: User) -> Values:
    values = user.name, user.country, user.residency_class, user.home_region, user.created_at_ms
    return *values, user.handle or None, user.deleted_at_ms


def to_user(user_id: str, values: Values) -> User:
    name, country, residency_class, home_region, created_at, handle, deleted_at = values
    user = User(user_id, name, country, residency_class, home_region, unix_ms(created_at), handle or "")
    return user if deleted_at is None else replace(user, deleted_at_ms=unix_ms(deleted_at))


def from_photo(photo: Photo) -> Values:
    return (
        photo.status.value, photo.owner_id, photo.residency_class, photo.home_region, photo.caption, photo.size_bytes,
        photo.sha256, photo.created_at_ms, photo.content_type, photo.width, photo.height, photo.taken_at, photo.camera,
        photo.perceptual_hash,
        [_from_variant(variant) for variant in photo.variants] or None,
        (photo.reason.code, photo.reason.detail) if photo.reason else None,
        photo.recipe,
        photo.visibility,
        *((place.latitude, place.longitude, place.altitude_m) if (place := photo.location) else (None, None, None)),
        photo.placeholder,
        photo.worker_deaths,
        photo.near_duplicate_of,
    )  # fmt: skip


def to_photo(photo_id: str, values: Values) -> Photo | None:
    """None if there is no photo: it never existed, was discarded, or has a tombstone."""
    (status, owner_id, residency_class, home_region, caption, size_bytes, sha256, created_at, content_type, width,
     height, taken_at, camera, perceptual_hash, variants, reason, recipe, visibility, latitude, longitude, altitude_m,
     placeholder, deaths, near_duplicate_of) = values  # fmt: skip
    if status in (None, "deleted"):
        return None
    return Photo(
        photo_id, owner_id, residency_class, home_region, Status(status), caption, size_bytes, sha256,
        unix_ms(created_at), content_type, width, height, taken_at, camera, perceptual_hash,
        tuple([Variant(*variant[:7]) for variant in variants or ()]),
        Reason(*reason[:2]) if reason else None,
        _recipe(recipe),
        _visibility(visibility),
        None if latitude is None or longitude is None else Location(latitude, longitude, altitude_m),
        placeholder,
        deaths or 0,
        near_duplicate_of,
    )  # fmt: skip


def to_summary(photo_id: str, values: Values) -> PhotoSummary | None:
    """None as for `to_photo`."""
    (status, owner_id, residency_class, home_region, caption, created_at, width, height, recipe, visibility,
     placeholder) = values  # fmt: skip
    if status in (None, "deleted"):
        return None
    return PhotoSummary(
        photo_id, owner_id, residency_class, home_region, unix_ms(created_at), Status(status), caption, width, height,
        _recipe(recipe), _visibility(visibility), placeholder,
    )  # fmt: skip


def to_fingerprint(photo_id: str, values: Values) -> Fingerprint | None:
    """None if the photo has no perceptual hash, or was listed without it."""
    perceptual_hash, near_duplicate_of = values
    return Fingerprint(photo_id, perceptual_hash, near_duplicate_of) if perceptual_hash is not None else None


def from_fingerprint(photo: Photo) -> Values:
    return photo.perceptual_hash, photo.near_duplicate_of


def from_upload(upload: Upload) -> Values:
    return upload.multipart_id, upload.filename, upload.size_bytes, upload.part_size_bytes, upload.expires_at_ms


def to_upload(photo_id: str, upload: Values | None) -> Upload | None:
    if upload is None:
        return None
    multipart_id, filename, size_bytes, part_size_bytes, expires_at = upload[:5]
    return Upload(photo_id, multipart_id, filename, size_bytes, part_size_bytes, unix_ms(expires_at))


def to_tombstone(photo_id: str, values: Values) -> Tombstone | None:
    owner_id, deleted_at = values
    return Tombstone(photo_id, owner_id, unix_ms(deleted_at)) if deleted_at is not None else None


def from_comment(comment: Comment) -> Values:
    return comment.author_id, comment.text, comment.created_at_ms, comment.residency_class or None


def to_comment(photo_id: str, comment_id: str, values: Values) -> Comment:
    author_id, text, created_at, residency_class = values
    return Comment(comment_id, photo_id, author_id, text, unix_ms(created_at), residency_class or "")


def from_replica(replica: Replica) -> Values:
    return replica.raw, replica.variants, replica.rule, replica.policy_version, replica.at_ms


def to_replica(photo_id: str, region: str, values: Values, missing: int) -> Replica:
    raw, variants, rule, policy_version, at = values[:5]
    return Replica(photo_id, region, raw, variants, rule, policy_version, unix_ms(at), missing)


def from_audit_entry(entry: AuditEntry) -> Values:
    return entry.action, entry.place, entry.allowed, entry.rule, entry.policy_version, entry.at_ms


def to_audit_entry(photo_id: str, values: Values) -> AuditEntry:
    action, place, allowed, rule, policy_version, at = values
    return AuditEntry(photo_id, action, place, allowed, rule, policy_version, unix_ms(at))


def _recipe(value: int | None) -> int:
    """A program that does not know the column makes variants by the first recipe."""
    return 1 if value is None else value


def _visibility(value: str | None) -> str:
    """A program that does not know the column yet writes only photos for everybody."""
    return PUBLIC if value is None else value


def _from_variant(variant: Variant) -> Values:
    return (
        variant.size, variant.width, variant.height, variant.size_bytes, variant.sha256, variant.recipe, variant.format
    )  # fmt: skip


def unix_ms(at: datetime) -> int:
    """Unix time."""
    return (at - _EPOCH) // _MILLISECOND
