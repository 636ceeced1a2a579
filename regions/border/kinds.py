"""What of a region lies in a second one too, so that it could be rebuilt if it burned down: the table of kinds.

A record has a kind and a name: the id of the user or photo that it is *about*, which says whose home's it is, and for
some kinds the id of a *part*. It is one person's, and their residency class decides where a copy may rest. For a like
or comment that is its author, who may be of another region than the photo.

To add a kind: add it to `KINDS`, and publish `record_changed` with, or after, each change of such a record.

Reads a catalog by its port, and does nothing else. Sessions are of no kind: who has been signed in signs in again.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from regions import ids
from regions.events.messages import Event, UnreadableEvent
from regions.records import to_json
from regions.residency.policy import Action
from regions.stores.catalog import Catalog

Document = dict[str, Any]


class RecordPerson(StrEnum):
    """Where a record's name says whose it is."""

    ABOUT = "about"
    PART = "part"
    UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True)
class RecordName:
    """`part` is "" for a kind without parts."""

    kind: str
    about: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class RecordKind:
    """`about` and `part` are kinds of ids; `part` is "" for a kind without parts.

    `document` reads the record at its home: None if there is none, or none any more. As JSON text it has at most
    `most_chars`. Where `action` is allowed for the person, a copy may rest.
    """

    about: str
    part: str
    person: RecordPerson
    most_chars: int
    document: Callable[[Catalog, RecordName], Document | None]
    action: Action = Action.REST_ACCOUNT

    def person_of(self, name: RecordName) -> str:
        """The person's id; "" if the name does not say it."""
        return {RecordPerson.ABOUT: name.about, RecordPerson.PART: name.part}.get(self.person, "")


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What an event says of a record. `residency_class` is the person's; "" if it is in their record here."""

    name: RecordName
    person_id: str
    residency_class: str


USER, CREDENTIALS, FOLLOW, LIKE, COMMENT = "user", "credentials", "follow", "like", "comment"


def _user(catalog: Catalog, name: RecordName) -> Document | None:
    user = catalog.users.get(name.about)
    return None if user is None or user.deleted_at_ms is not None else to_json(user)


def _credentials(catalog: Catalog, name: RecordName) -> Document | None:
    """How the user proves who they are: salted hashes, from which nothing can be entered anywhere."""
    found = sorted(catalog.credentials.of_user(name.about), key=lambda one: one.credential_id)
    return {"credentials": [asdict(one) for one in found]} if found else None


def _follow(catalog: Catalog, name: RecordName) -> Document | None:
    return {} if name.part in catalog.follows.followed_among(name.about, [name.part]) else None


def _like(catalog: Catalog, name: RecordName) -> Document | None:
    return {} if catalog.likes.has(name.about, name.part) else None


def _comment(catalog: Catalog, name: RecordName) -> Document | None:
    comment = catalog.comments.get(name.about, name.part)
    return None if comment is None else to_json(comment)


KINDS: Mapping[str, RecordKind] = {
    USER: RecordKind(ids.USER, "", RecordPerson.ABOUT, 1_000, _user),
    CREDENTIALS: RecordKind(ids.USER, "", RecordPerson.ABOUT, 16_000, _credentials),
    FOLLOW: RecordKind(ids.USER, ids.USER, RecordPerson.ABOUT, 100, _follow),
    LIKE: RecordKind(ids.PHOTO, ids.USER, RecordPerson.PART, 100, _like),
    COMMENT: RecordKind(ids.PHOTO, ids.COMMENT, RecordPerson.UNNAMED, 5_000, _comment),
}


def change_of(event: Event) -> RecordChange:
    """Of a `record_changed`. Raises UnreadableEvent, also for a kind that only a newer program knows."""
    match event.body:
        case {
            "kind": str(kind),
            "about": str(about),
            "part": str(part),
            "person_id": str(person_id),
            "residency_class": str(its_class),
        } if kind in KINDS:
            return RecordChange(RecordName(kind, about, part), person_id, its_class)
    raise UnreadableEvent("no change of a record of a kind that this program knows")


def text_of(catalog: Catalog, name: RecordName) -> str | None:
    """The record as it is at its home, as text. The same record is the same text."""
    document = KINDS[name.kind].document(catalog, name)
    return None if document is None else json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
