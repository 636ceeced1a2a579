"""A record as it crosses a border, and what the other region answers.

The receiver decides whether a copy may rest there, keeps the document as text that it does not read, and shows it to
nobody.

Reading raises TypeError, ValueError or KeyError for anything that is not within its bounds. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regions import ids
from regions.border import bounds
from regions.border.kinds import KINDS, RecordName
from regions.border.photo_record import MAX_CLASS_CHARS

_MAX_KIND_CHARS = 40


@dataclass(frozen=True, slots=True)
class SentRecord:
    """`document` is JSON as text; None once the record is gone.

    Of two versions of a record, the home has read the higher one later. They are about the Unix time in milliseconds.
    """

    name: RecordName
    person_id: str
    residency_class: str
    version: int
    document: str | None


def record_document(record: SentRecord) -> dict[str, Any]:
    return {
        "kind": record.name.kind,
        "about": record.name.about,
        "part": record.name.part,
        "person_id": record.person_id,
        "residency_class": record.residency_class,
        "version": record.version,
        "document": record.document,
    }


def parse_record(item: Mapping[str, Any]) -> SentRecord:
    kind_name = bounds.text(item["kind"], _MAX_KIND_CHARS)
    kind = KINDS[kind_name]
    part = bounds.id_of(kind.part, item["part"]) if kind.part else bounds.text(item["part"], 0)
    name = RecordName(kind_name, bounds.id_of(kind.about, item["about"]), part)
    person_id = bounds.id_of(ids.USER, item["person_id"])
    if kind.person_of(name) not in ("", person_id):
        raise ValueError("the record is not that person's")
    document = item["document"]
    return SentRecord(
        name,
        person_id,
        bounds.text(item["residency_class"], MAX_CLASS_CHARS),
        bounds.at_ms(item["version"]),
        None if document is None else _document(document, kind.most_chars),
    )


def kept_document(other_version: int | None) -> dict[str, Any]:
    return {"other_version": other_version}


def parse_kept(document: Mapping[str, Any]) -> int | None:
    """None if the record is kept there now, else the version of the one that is there instead."""
    other_version = document["other_version"]
    return None if other_version is None else bounds.at_ms(other_version)


def _document(value: Any, most: int) -> str:
    checked = bounds.text(value, most)
    if not checked:
        raise ValueError("a document is empty")
    return checked
