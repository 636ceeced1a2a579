"""The records that the catalog stores: frozen dataclasses, and how they become JSON and back.

Times are Unix milliseconds (`…_ms`), sizes are bytes, SHA-256 sums are lower-case hex, and ids are in the public text
form of `regions.ids`. Pure.
"""

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

MAX_CAPTION_CHARS = 2200


class Status(StrEnum):
    UPLOADING = "uploading"
    PROCESSING = "processing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    name: str
    country: str
    residency_class: str
    home_region: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a photo is `failed` or `rejected`: a stable code, and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One resized image. `size` names it (150 …); `width` is smaller if the raw is narrower than that."""

    size: int
    width: int
    height: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo's metadata. `sha256` is what the client claims, if anything, and from `ready` on what was computed."""

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
    comment_id: str
    photo_id: str
    author_id: str
    text: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Replica:
    """A verified copy of a photo's objects in another region, and the rule that allowed it."""

    photo_id: str
    region: str
    raw: bool
    variants: bool
    rule: str
    policy_version: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Tombstone:
    photo_id: str
    owner_id: str
    deleted_at_ms: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One residency decision, with the policy's version, so that an audit can make it again and compare.

    `photo_id` is a user's id if the decision was about that user's profile.
    """

    photo_id: str
    action: str
    place: str
    allowed: bool
    rule: str
    policy_version: str
    at_ms: int


def to_json(record: Any) -> dict[str, Any]:
    """Any record above as plain JSON values."""
    return dataclasses.asdict(record)


def to_json_text(record: Any) -> str:
    """The same as compact text, as the catalogs store it."""
    return json.dumps(to_json(record), separators=(",", ":"))


def photo_from_json(value: dict[str, Any]) -> Photo:
    reason = value.get("reason")
    # Positional arguments: a feed's page has 120 variants, and with keywords they take a third longer.
    variants = [Variant(v["size"], v["width"], v["height"], v["size_bytes"], v["sha256"]) for v in value["variants"]]
    return Photo(
        **{
            **value,
            "status": Status(value["status"]),
            "variants": tuple(variants),
            "reason": Reason(**reason) if reason else None,
        }
    )


def rfc3339(at_ms: int) -> str:
    """A time as the API writes it (RFC 3339, UTC, milliseconds)."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
