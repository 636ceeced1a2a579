"""Events: small JSON messages in the event log, each about one thing that has happened.

Events with the same key stay in order, one after another, so the key is the id of the photo or user that the event is
about, or the name of the record. Delivery is at least once. `event_id` is made from what happened, never at random: if
the same event is published twice, both copies have the same id, and a consumer can recognise the second.

Programs of two versions run side by side, so an event may come from a newer one: fields that an event does not have are
ignored, and kept if the event is published again. `version` grows only with a change that older readers can't read; an
event of a higher version is unreadable.

Pure.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regions.events.topics import (
    DEAD_LETTERS,
    FOLLOW_CHANGED,
    PHOTO_DELETED,
    PHOTO_READY,
    PHOTO_READY_AGAIN,
    PHOTO_REFERENCED,
    PHOTOS_BACKFILL,
    PHOTOS_UPLOADED,
    RECORD_CHANGED,
)
from regions.records import Photo

VERSION = 1
MAX_EVENT_BYTES = 512 * 1024
"""Of the key and the text together, for every topic but the `ENVELOPES`."""
MAX_UNREADABLE_CHARS = 32 * 1024
MAX_ERROR_CHARS = 2000
MAX_ENVELOPE_BYTES = MAX_EVENT_BYTES + 64 * 1024
"""An event with the largest error. As JSON, a character has at most 6 bytes, or 12 beyond U+FFFF."""


@dataclass(frozen=True, slots=True)
class Event:
    topic: str
    key: str
    event_id: str
    at_ms: int
    body: dict[str, Any]
    version: int = VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a newer version, kept so that this program can publish the event unchanged."""


_FIELDS = ("topic", "key", "event_id", "at_ms", "body", "version")


class UnreadableEvent(ValueError):
    """The text is not an event that this program can read."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What the log has in the place of an event, if this program can't read it; `error` says why."""

    topic: str
    key: str
    event_id: str
    text: str
    error: str


def read(topic: str, position: str, text: str) -> Event | Unreadable:
    """The event in this text. `topic` and `position` say where the log has it, in case that it can't be read."""
    try:
        return from_text(text)
    except UnreadableEvent as error:
        return Unreadable(topic, "", f"unreadable:{topic}:{position}", text, str(error))


def to_text(event: Event) -> str:
    return json.dumps(to_document(event), separators=(",", ":"))


def from_text(text: str) -> Event:
    """Raises UnreadableEvent."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableEvent(f"not an event: {type(error).__name__}") from error
    return from_document(value)


def to_document(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _FIELDS} | dict(event.extra)


def from_document(value: Any) -> Event:
    """The inverse of `to_document`, for any JSON value. Raises UnreadableEvent."""
    try:
        topic, key, event_id, at_ms, body, version = (value[name] for name in _FIELDS)
        extra = {name: part for name, part in value.items() if name not in _FIELDS}
    except (TypeError, KeyError, AttributeError) as error:
        raise UnreadableEvent(f"not an event: {type(error).__name__}") from error
    types = {str: (topic, key, event_id), int: (at_ms, version), dict: (body,)}
    if not all(isinstance(part, kind) for kind, parts in types.items() for part in parts):
        raise UnreadableEvent("not an event: a field has another type")
    if version > VERSION:
        raise UnreadableEvent(f"an event of version {version}; this program reads up to {VERSION}")
    return Event(topic, key, event_id, at_ms, body, version, extra)


def photos_uploaded(photo: Photo, at_ms: int) -> Event:
    return _photo_event(PHOTOS_UPLOADED, photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms)


def photos_backfill(photo_id: str, recipe: int, retry_failed: bool, at_ms: int) -> Event:
    """An operator wants the photo in this recipe; with `retry_failed`, also if it has failed."""
    event_id = f"{PHOTOS_BACKFILL}:{photo_id}:{recipe}{':failed' if retry_failed else ''}"
    body = {"photo_id": photo_id, "recipe": recipe, "retry_failed": retry_failed}
    return Event(PHOTOS_BACKFILL, photo_id, event_id, at_ms, body)


def photo_ready(photo: Photo, at_ms: int) -> Event:
    return _photo_event(PHOTO_READY, photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms)


def photo_ready_again(photo: Photo, at_ms: int) -> Event:
    """A ready photo has variants of another recipe. Its followers know it already."""
    event = _photo_event(PHOTO_READY_AGAIN, photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms)
    body = event.body | {"recipe": photo.recipe}
    return dataclasses.replace(event, event_id=f"{event.event_id}:v{photo.recipe}", body=body)


def is_again(event: Event) -> bool:
    """Whether the photo of this event was ready before. Version 0.2 published such an event as `photo_ready` too."""
    return "recipe" in event.body


def photo_deleted(photo: Photo, at_ms: int) -> Event:
    return _photo_event(PHOTO_DELETED, photo.photo_id, photo.owner_id, photo.created_at_ms, at_ms)


def photo_referenced(
    photo_id: str, owner_id: str, created_at_ms: int, at_ms: int, follower_id: str | None = None
) -> Event:
    """A photo of another region, for its followers in this one. Contains the photo's id, owner and time, and no more.

    With `follower_id` it is for the feed of that follower alone, else for all of the owner's followers here.
    """
    event = _photo_event(PHOTO_REFERENCED, photo_id, owner_id, created_at_ms, at_ms)
    if follower_id is None:
        return event
    body = event.body | {"follower_id": follower_id}
    return dataclasses.replace(event, event_id=f"{event.event_id}:{follower_id}", body=body)


def follow_changed(follower_id: str, author_id: str, following: bool, at_ms: int) -> Event:
    """`follower_id` follows the author now, or has stopped (`following` False). One author's changes stay in order."""
    body = {"follower_id": follower_id, "author_id": author_id, "following": following}
    event_id = f"{FOLLOW_CHANGED}:{follower_id}:{author_id}:{int(following)}:{at_ms}"
    return Event(FOLLOW_CHANGED, author_id, event_id, at_ms, body)


def record_changed(kind: str, about: str, part: str, person_id: str, residency_class: str, at_ms: int) -> Event:
    """A record of this kind and name was written or removed (`regions.border.kinds`). Its content is not in the event.

    It is the person's, who may be of another region. `residency_class` is theirs; "" if their record here has it.

    The key has the part too: the likes of one photo would wait for each other, and everybody's records for them.
    """
    body = {"kind": kind, "about": about, "part": part, "person_id": person_id, "residency_class": residency_class}
    key = f"{about}/{part}" if part else about
    return Event(RECORD_CHANGED, key, f"{RECORD_CHANGED}:{kind}:{about}:{part}:{at_ms}", at_ms, body)


def dead_letter(event: Event | Unreadable, group: str, error: str, at_ms: int) -> Event:
    """An event that a consumer group gave up on. It contains the whole event, to publish it again after a repair.

    Of what is not an event it contains the text, up to `MAX_UNREADABLE_CHARS`.
    """
    if isinstance(event, Unreadable):
        content: dict[str, Any] = {"text": event.text[:MAX_UNREADABLE_CHARS]}
    else:
        content = {"event": to_document(event)}
    body = content | {"group": group, "error": error[:MAX_ERROR_CHARS]}
    return Event(DEAD_LETTERS, event.key, f"{DEAD_LETTERS}:{group}:{event.event_id}", at_ms, body)


def _photo_event(topic: str, photo_id: str, owner_id: str, created_at_ms: int, at_ms: int) -> Event:
    body = {"photo_id": photo_id, "owner_id": owner_id, "created_at_ms": created_at_ms}
    return Event(topic, photo_id, f"{topic}:{photo_id}", at_ms, body)
