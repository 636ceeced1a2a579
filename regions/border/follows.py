"""What the home of an author answers to the home of a new follower: references to the author's latest photos. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regions import ids
from regions.border import bounds
from regions.border.photo_record import MAX_CLASS_CHARS
from regions.stores.feeds import BACKFILL


@dataclass(frozen=True, slots=True)
class Referenced:
    """What a feed needs to list a photo, and the class by which the follower's region decides too."""

    photo_id: str
    owner_id: str
    created_at_ms: int
    residency_class: str


def references_document(references: Sequence[Referenced]) -> dict[str, Any]:
    return {
        "references": [
            {
                "photo_id": one.photo_id,
                "owner_id": one.owner_id,
                "created_at_ms": one.created_at_ms,
                "residency_class": one.residency_class,
            }
            for one in references
        ]
    }


def parse_references(document: Mapping[str, Any], author_id: str) -> list[Referenced]:
    """Of that author's photos. Raises TypeError, ValueError, KeyError."""
    references = [_referenced(item) for item in bounds.objects(document["references"], BACKFILL)]
    home = ids.parse(ids.USER, author_id).region
    if any(one.owner_id != author_id or ids.parse(ids.PHOTO, one.photo_id).region != home for one in references):
        raise ValueError("a reference to a photo of somebody else")
    return references


def _referenced(item: Mapping[str, Any]) -> Referenced:
    photo_id = bounds.id_of(ids.PHOTO, item["photo_id"])
    return Referenced(
        photo_id,
        bounds.id_of(ids.USER, item["owner_id"]),
        bounds.created_at_ms(item["created_at_ms"], photo_id),
        bounds.text(item["residency_class"], MAX_CLASS_CHARS),
    )
