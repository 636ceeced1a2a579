"""The records that the catalog stores: frozen dataclasses, and how they become JSON and back.

Times are Unix milliseconds (`…_ms`), sizes are bytes, SHA-256 sums are lower-case hex, and ids are in the public text
form of `regions.ids`.

Programs of two versions run side by side, so a record may have been written by a newer one: fields that a record does
not have are ignored. A new field needs a default, with which older records are read. Pure.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from regions.variant_names import variant_name

MAX_CAPTION_CHARS = 2200
MAX_PLACEHOLDER_CHARS = 60
PUBLIC = "public"


Record = TypeVar("Record")


class UnreadableRecord(ValueError):
    """The stored record lacks a field, or has one of another form. The message does not contain the record's values."""


class Status(StrEnum):
    UPLOADING = "uploading"
    PROCESSING = "processing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class User:
    """`handle` is without `@REGION`; users of version 0.2 have none. A deleted one has no name and no country."""

    user_id: str
    name: str
    country: str
    residency_class: str
    home_region: str
    created_at_ms: int
    handle: str = ""
    deleted_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a photo is `failed` or `rejected`: a stable code, and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One resized image. `size` is the nominal width (150 …); `width` is smaller if the raw is narrower than that.

    `recipe` and `format` say how it was made (`variant_names`).
    """

    size: int
    width: int
    height: int
    size_bytes: int
    sha256: str
    recipe: int = 1
    format: str = "jpg"

    @property
    def name(self) -> str:
        return variant_name(self.size, self.recipe, self.format)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a photo was taken: degrees north and east (WGS 84), and metres above the sea."""

    latitude: float
    longitude: float
    altitude_m: float | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo's metadata. `sha256` is what the client claims, if anything, and from `ready` on what was computed.

    `variants` may be of several recipes; `recipe` is the one whose variants its URLs name.

    `location` is for the owner alone: it stays in the home region, and no answer to others contains it. `placeholder`
    is a ThumbHash in base64, for what a page shows until the photo is there. `near_duplicate_of` is for the owner alone
    too: the id of their original that looks the same; it may have been deleted since.

    `visibility` says who may see the photo when it is ready: so far only `PUBLIC`, which is everybody. A newer program
    may have written another one, which this program keeps as it is.
    """

    photo_id: str
    owner_id: str
    residency_class: str
    home_region: str
    status: Status
    caption: str
    size_bytes: int
    sha256: str | None
    created_at_ms: int
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    camera: str | None = None
    perceptual_hash: str | None = None
    variants: tuple[Variant, ...] = ()
    reason: Reason | None = None
    recipe: int = 1
    visibility: str = PUBLIC
    location: Location | None = None
    placeholder: str | None = None
    worker_deaths: int = 0
    near_duplicate_of: str | None = None

    def summary(self) -> "PhotoSummary":
        return PhotoSummary(**{name: getattr(self, name) for name in _FIELD_NAMES[PhotoSummary]})

    @property
    def is_public(self) -> bool:
        return _is_public(self.status, self.visibility)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a photo looks like, and which one it is a near-duplicate of."""

    photo_id: str
    perceptual_hash: str
    near_duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class PhotoSummary:
    """What a page reads of each of its photos: what it shows, and what decides whether it may show it.

    Its fields are fields of `Photo`. Code that needs more, such as the variants, takes a `Photo`. A new field also
    belongs in `SUMMARY` of `regions.stores.cassandra.columns` and in `origin.border.details`; tests find it missing.
    """

    photo_id: str
    owner_id: str
    residency_class: str
    home_region: str
    created_at_ms: int
    status: Status
    caption: str
    width: int | None = None
    height: int | None = None
    recipe: int = 1
    visibility: str = PUBLIC
    placeholder: str | None = None

    @property
    def is_public(self) -> bool:
        return _is_public(self.status, self.visibility)


def _is_public(status: Status, visibility: str) -> bool:
    """Whether others than its owner may see the photo. Fails closed: not with a visibility of a newer program."""
    return status is Status.READY and visibility == PUBLIC


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished upload. Its id is its photo's id. All parts but the last are `part_size_bytes` long."""

    photo_id: str
    multipart_id: str
    filename: str
    size_bytes: int
    part_size_bytes: int
    expires_at_ms: int

    def part_sizes(self) -> list[int]:
        """The length of each part in bytes, part 1 first."""
        whole, rest = divmod(self.size_bytes, self.part_size_bytes)
        return [self.part_size_bytes] * whole + ([rest] if rest else [])


@dataclass(frozen=True, slots=True)
class Comment:
    """`residency_class` is the author's, who may be of another region; "" in one of version 0.2."""

    comment_id: str
    photo_id: str
    author_id: str
    text: str
    created_at_ms: int
    residency_class: str = ""


@dataclass(frozen=True, slots=True)
class Replica:
    """A verified copy of a photo's objects in another region, and the rule that allowed it.

    `missing` is how many objects the region may have and does not have yet.
    """

    photo_id: str
    region: str
    raw: bool
    variants: bool
    rule: str
    policy_version: str
    at_ms: int
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Tombstone:
    photo_id: str
    owner_id: str
    deleted_at_ms: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One residency decision, with the policy's version, so that an audit can make it again and compare.

    `photo_id` is a user's id if the decision was about that user's profile, and "CLASS REGION" if it was about
    somebody of whom no more is known here: who follows from another region.
    """

    photo_id: str
    action: str
    place: str
    allowed: bool
    rule: str
    policy_version: str
    at_ms: int


_FIELD_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in dataclasses.fields(kind))
    for kind in (User, Reason, Variant, Location, Photo, PhotoSummary, Upload, Comment, Replica, Tombstone, AuditEntry)
}


def to_json(record: Any) -> dict[str, Any]:
    """Any record above as plain JSON values. A fifth of what `dataclasses.asdict` takes, which copies every value."""
    return {name: _plain(getattr(record, name)) for name in _FIELD_NAMES[type(record)]}


def _plain(value: Any) -> Any:
    """Records hold nothing that can change."""
    if type(value) is tuple:
        return [_plain(one) for one in value]
    return to_json(value) if type(value) in _FIELD_NAMES else value


def to_json_text(record: Any) -> str:
    """The same as compact text, as the catalogs store it."""
    return json.dumps(to_json(record), separators=(",", ":"))


def from_json(kind: type[Record], value: Mapping[str, Any]) -> Record:
    """The inverse of `to_json`, for all records but photos and their summaries. Raises UnreadableRecord."""
    try:
        return kind(**{name: value[name] for name in _FIELD_NAMES[kind] if name in value})
    except TypeError as error:
        raise UnreadableRecord(f"not a {kind.__name__}: {error}") from error


def from_json_text(kind: type[Record], text: str) -> Record:
    """The inverse of `to_json_text`, also for photos. A photo's text has its summary too. Raises UnreadableRecord."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableRecord(f"not a {kind.__name__}: not JSON") from error
    if not isinstance(value, dict):
        raise UnreadableRecord(f"not a {kind.__name__}: not a JSON object")
    if kind is Photo:
        return photo_from_json(value)  # type: ignore[return-value]
    return _summary_from_json(value) if kind is PhotoSummary else from_json(kind, value)  # type: ignore[return-value]


def photo_from_json(value: Mapping[str, Any]) -> Photo:
    """Raises UnreadableRecord."""
    try:
        return _photo(value)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableRecord(f"not a Photo: {error!r}") from error


def _summary_from_json(value: Mapping[str, Any]) -> PhotoSummary:
    try:
        status = Status(value["status"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableRecord(f"not a PhotoSummary: {error!r}") from error
    return from_json(PhotoSummary, {**value, "status": status})


def _photo(value: Mapping[str, Any]) -> Photo:
    reason = value.get("reason")
    known = {name: value[name] for name in _FIELD_NAMES[Photo] if name in value}
    known["status"] = Status(value["status"])
    known["variants"] = tuple(from_json(Variant, variant) for variant in value["variants"])
    known["reason"] = from_json(Reason, reason) if reason else None
    location = value.get("location")
    known["location"] = from_json(Location, location) if location else None
    return Photo(**known)


def rfc3339(at_ms: int) -> str:
    """A time as the API writes it (RFC 3339, UTC, milliseconds)."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
