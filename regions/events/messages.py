"""Events: small JSON facts on the event log, keyed so that one photo's or one user's stay in order.

Pure. Delivery is at least once; `event_id` is made from what happened, never drawn at random, so that
the same fact told twice is recognised.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from regions.events.topics import (
    DEAD_LETTERS,
    FOLLOW_CHANGED,
    PHOTO_DELETED,
    PHOTO_READY,
    PHOTO_REFERENCED,
    PHOTOS_UPLOADED,
)
from regions.records import Photo

VERSION = 1


@dataclass(frozen=True, slots=True)
class Event:
    topic: str
    key: str
    event_id: str
    at_ms: int
    body: dict[str, Any]
    version: int = VERSION


def to_text(event: Event) -> str:
    return json.dumps(dataclasses.asdict(event), separators=(",", ":"))


def from_text(text: str) -> Event:
    return Event(**json.loads(text))


def photos_uploaded(photo: Photo, at_ms: int) -> Event:
    return _about(PHOTOS_UPLOADED, photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms)


def photo_ready(photo: Photo, at_ms: int) -> Event:
    return _about(PHOTO_READY, photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms)


def photo_deleted(photo: Photo, at_ms: int) -> Event:
    return _about(PHOTO_DELETED, photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms)


def photo_referenced(
    photo_id: str, owner_id: str, created_at_ms: int, at_ms: int, follower_id: str | None = None
) -> Event:
    """A photo of another region, for those who live in this one: photo id, owner id, time, and no more.

    For all of the owner's followers here, or for the one whose feed it is to fill.
    """
    event = _about(PHOTO_REFERENCED, photo_id, owner_id, created_at_ms, at_ms)
    if follower_id is None:
        return event
    body = event.body | {"follower_id": follower_id}
    return dataclasses.replace(event, event_id=f"{event.event_id}:{follower_id}", body=body)


def follow_changed(follower_id: str, author_id: str, following: bool, at_ms: int) -> Event:
    body = {"follower_id": follower_id, "author_id": author_id, "following": following}
    event_id = f"{FOLLOW_CHANGED}:{follower_id}:{author_id}:{int(following)}:{at_ms}"
    return Event(FOLLOW_CHANGED, author_id, event_id, at_ms, body)


def dead_letter(event: Event, group: str, error: str, at_ms: int) -> Event:
    """What a consumer group gave up on, whole, so that it can be published again once mended."""
    body = {"event": dataclasses.asdict(event), "group": group, "error": error[:2000]}
    return Event(DEAD_LETTERS, event.key, f"{DEAD_LETTERS}:{group}:{event.event_id}", at_ms, body)


def _about(topic: str, photo_id: str, owner_id: str, created_at_ms: int, at_ms: int) -> Event:
    body = {"photo_id": photo_id, "owner_id": owner_id, "created_at_ms": created_at_ms}
    return Event(topic, photo_id, f"{topic}:{photo_id}", at_ms, body)
