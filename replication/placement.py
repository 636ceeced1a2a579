"""What of a photo may lie in a region, and which objects that makes.

Pure: no clock, no store. Fails closed, as `residency.decide` does: no policy, no placement.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from regions.errors import Unprocessable
from regions.image_limits import VARIANT_CONTENT_TYPE
from regions.records import Photo, Variant
from regions.residency.decide import Decision, decide, subject_of
from regions.residency.policy import Action, Policy
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, raw_key, variant_key
from regions.topology import Place

_UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Placement:
    """The decisions about one photo at one place."""

    place: Place
    raw: Decision
    variants: Decision
    metadata: Decision
    reference: Decision

    @property
    def at_rest(self) -> Mapping[Action, Decision]:
        """The decisions about what stays there, by action."""
        return {
            Action.REST_RAW: self.raw,
            Action.REST_VARIANTS: self.variants,
            Action.REST_METADATA: self.metadata,
        }


@dataclass(frozen=True, slots=True)
class ExpectedObject:
    """An object as it must be wherever it lies; `sha256` is the one in the photo's record, never a store's word."""

    bucket: str
    key: str
    sha256: str
    size_bytes: int
    content_type: str
    cache_control: str = ""


def place(policy: Policy | None, photo: Photo, at: Place) -> Placement:
    subject = subject_of(photo)
    return Placement(
        at,
        decide(policy, subject, Action.REST_RAW, at),
        decide(policy, subject, Action.REST_VARIANTS, at),
        decide(policy, subject, Action.REST_METADATA, at),
        decide(policy, subject, Action.REFERENCE, at),
    )


def objects_of(photo: Photo, placement: Placement) -> list[ExpectedObject]:
    """The photo's objects that may lie there, variants first since viewers wait for those.

    Raises Unprocessable where the raw may lie there, but no SHA-256 is recorded by which a copy could be verified.
    """
    variants = [_variant(photo.photo_id, variant) for variant in photo.variants] if placement.variants.allowed else []
    return [*variants, _raw(photo)] if placement.raw.allowed else variants


def _variant(photo_id: str, variant: Variant) -> ExpectedObject:
    key = variant_key(photo_id, variant.size)
    return ExpectedObject(VARIANTS, key, variant.sha256, variant.size_bytes, VARIANT_CONTENT_TYPE, IMMUTABLE)


def _raw(photo: Photo) -> ExpectedObject:
    if photo.sha256 is None:
        raise Unprocessable(f"photo {photo.photo_id} has no recorded SHA-256, so no copy of it could be verified")
    content_type = photo.content_type or _UNKNOWN_TYPE
    return ExpectedObject(RAW, raw_key(photo.photo_id), photo.sha256, photo.size_bytes, content_type)
