"""Offers: what a photo's home would store in another region, and what that region answers.

An offer has facts and no decisions, and names no key: both ends decide for themselves, and the stricter wins. The
receiver answers, object by object, that it has it, where to PUT it, or the rule that refuses it.

Reading raises TypeError, ValueError or KeyError for anything that is not within its bounds. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from regions import ids
from regions.border import bounds, photo_record
from regions.image_limits import CONTENT_TYPES, MAX_RAW_BYTES
from regions.records import Photo
from regions.residency.decide import Subject
from regions.residency.policy import Action
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, SignedPut, raw_key, variant_key
from regions.variant_names import CONTENT_TYPES as VARIANT_TYPES

RAW_NAME = ""
_UNKNOWN_TYPE = "application/octet-stream"
_MAX_VARIANT_BYTES = 32 << 20
_MAX_WORDS = 1000
_MAX_URL_CHARS = 4000
_MAX_HEADERS, _MAX_HEADER_CHARS = 20, 500
# A newer program may have formats that this one does not know.
_VARIANT = re.compile(r"[1-9][0-9]{0,4}(\.v([2-9]|[1-9][0-9]{1,3}))?\.([a-z0-9]{1,8})")
# What a signed PUT may make us send: nothing that says whom the request is for, or where its body ends.
_HEADER = re.compile("content-type|cache-control|if-none-match|x-amz-checksum-sha256|x-amz-sdk-checksum-algorithm")
_HEADER_VALUE = re.compile("[ -~]*")


@dataclass(frozen=True, slots=True)
class OfferedObject:
    """The raw if `variant` is empty, else the variant of that name. `sha256` is from the record, never from a store.

    Where it lies and what it is served as follows from its name, so that no sender chooses it.
    """

    variant: str
    sha256: str
    size_bytes: int
    raw_type: str = ""

    @property
    def bucket(self) -> str:
        return VARIANTS if self.variant else RAW

    @property
    def action(self) -> Action:
        return Action.REST_VARIANTS if self.variant else Action.REST_RAW

    @property
    def content_type(self) -> str:
        if self.variant:
            return VARIANT_TYPES.get(self.variant.rpartition(".")[2], _UNKNOWN_TYPE)
        return self.raw_type if self.raw_type in CONTENT_TYPES else _UNKNOWN_TYPE

    @property
    def cache_control(self) -> str:
        return IMMUTABLE if self.variant else ""

    def key(self, photo_id: str) -> str:
        return variant_key(photo_id, self.variant) if self.variant else raw_key(photo_id)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a feed needs to list a photo."""

    owner_id: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Offer:
    """Of one photo. Without `metadata` or `reference`, the home does not let that go there."""

    photo_id: str
    subject: Subject
    objects: tuple[OfferedObject, ...]
    metadata: Photo | None = None
    reference: Reference | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.objects or self.metadata or self.reference)

    @property
    def owner_ids(self) -> set[str]:
        return {one.owner_id for one in (self.metadata, self.reference) if one is not None}


class ObjectState(StrEnum):
    STORED = "stored"
    """As offered: its checksum and size have been compared."""
    MISSING = "missing"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class AnsweredObject:
    """`put` is where to send one that is missing. `rule` is the receiver's, by file and line."""

    state: ObjectState
    rule: str
    because: str
    put: SignedPut | None = None


@dataclass(frozen=True, slots=True)
class OfferAnswer:
    """`objects` by variant. `deleted`: the photo has a tombstone there, so that nothing of it may come any more."""

    deleted: bool
    objects: Mapping[str, AnsweredObject]
    metadata: bool = False
    reference: bool = False


DELETED = OfferAnswer(True, {})


def offer_document(offer: Offer) -> dict[str, Any]:
    reference = offer.reference
    return {
        "photo_id": offer.photo_id,
        "residency_class": offer.subject.residency_class,
        "objects": [
            {"variant": one.variant, "sha256": one.sha256, "size_bytes": one.size_bytes, "raw_type": one.raw_type}
            for one in offer.objects
        ],
        "metadata": photo_record.outgoing(offer.metadata) if offer.metadata else None,
        "reference": reference and {"owner_id": reference.owner_id, "created_at_ms": reference.created_at_ms},
    }


def parse_offer(document: Mapping[str, Any], home_region: str) -> Offer:
    """Of a photo of the region that sends it."""
    photo_id = bounds.id_of(ids.PHOTO, document["photo_id"])
    residency_class = bounds.text(document["residency_class"], photo_record.MAX_CLASS_CHARS)
    metadata, reference = document.get("metadata"), document.get("reference")
    objects = tuple(map(_object, bounds.objects(document["objects"], photo_record.MAX_VARIANTS + 1)))
    if len({one.variant for one in objects}) < len(objects):
        raise ValueError("an object is offered twice")
    offer = Offer(
        photo_id,
        Subject(residency_class, home_region),
        objects,
        None if metadata is None else photo_record.incoming(metadata, photo_id, home_region),
        None if reference is None else _reference(reference, photo_id),
    )
    if len(offer.owner_ids) > 1 or (offer.metadata and offer.metadata.residency_class != residency_class):
        raise ValueError("its parts differ in owner or class")
    return offer


def answer_document(answer: OfferAnswer) -> dict[str, Any]:
    return {
        "deleted": answer.deleted,
        "objects": {
            variant: {"state": one.state, "rule": one.rule, "because": one.because}
            | ({"url": one.put.url, "headers": dict(one.put.headers)} if one.put else {})
            for variant, one in answer.objects.items()
        },
        "metadata": answer.metadata,
        "reference": answer.reference,
    }


def parse_answer(document: Mapping[str, Any], offer: Offer) -> OfferAnswer:
    """To this offer. What was not offered is left out, and what is not answered is an error."""
    if bounds.boolean(document["deleted"]):
        return DELETED
    objects = {one.variant: _answered(document["objects"][one.variant]) for one in offer.objects}
    return OfferAnswer(False, objects, bounds.boolean(document["metadata"]), bounds.boolean(document["reference"]))


def _object(item: Mapping[str, Any]) -> OfferedObject:
    variant = bounds.text(item["variant"], 20)
    if variant and not _VARIANT.fullmatch(variant):
        raise ValueError("no variant has this name")
    most = _MAX_VARIANT_BYTES if variant else MAX_RAW_BYTES
    size_bytes = bounds.integer(item["size_bytes"], most)
    return OfferedObject(variant, bounds.sha256(item["sha256"]), size_bytes, bounds.text(item.get("raw_type", ""), 100))


def _reference(document: Mapping[str, Any], photo_id: str) -> Reference:
    created_at_ms = bounds.created_at_ms(document["created_at_ms"], photo_id)
    return Reference(bounds.id_of(ids.USER, document["owner_id"]), created_at_ms)


def _answered(item: Mapping[str, Any]) -> AnsweredObject:
    words = partial(bounds.text, most=_MAX_WORDS)
    put = _signed_put(item) if "url" in item else None
    return AnsweredObject(ObjectState(item["state"]), words(item["rule"]), words(item["because"]), put)


def _signed_put(item: Mapping[str, Any]) -> SignedPut:
    headers = item["headers"]
    if not isinstance(headers, dict) or len(headers) > _MAX_HEADERS:
        raise TypeError(f"expected at most {_MAX_HEADERS} headers")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name.lower()) or not _HEADER_VALUE.fullmatch(bounds.text(value, _MAX_HEADER_CHARS)):
            raise ValueError("a signed PUT may not ask for this header")
    return SignedPut(bounds.text(item["url"], _MAX_URL_CHARS), headers)
