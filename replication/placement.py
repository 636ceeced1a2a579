"""Which parts of a photo may be stored in a region, and which objects that means.

Pure: no clock, no store. Fails closed, as `residency.decide` does: without a policy nothing may be stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from regions.errors import Unprocessable
from regions.records import Photo
from regions.residency.decide import Decision, decide, subject_of
from regions.residency.policy import Action, Policy
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, raw_key, variant_key
from regions.topology import Place
from regions.variant_names import CONTENT_TYPES

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
        """The decisions about what is stored there, by action."""
        return {
            Action.REST_RAW: self.raw,
            Action.REST_VARIANTS: self.variants,
            Action.REST_METADATA: self.metadata,
        }


@dataclass(frozen=True, slots=True)
class ExpectedObject:
    """An object as it must be in every region. `sha256` is the one in the photo's record, never what a store claims."""

    bucket: str
    key: str
    sha256: str
    size_bytes: int
    content_type: str
    cache_control: str = ""


def placement_of(policy: Policy | None, photo: Photo, place: Place, now_ms: int) -> Placement:
    subject = subject_of(photo)
    return Placement(
        place,
        decide(policy, subject, Action.REST_RAW, place, now_ms),
        decide(policy, subject, Action.REST_VARIANTS, place, now_ms),
        decide(policy, subject, Action.REST_METADATA, place, now_ms),
        decide(policy, subject, Action.REFERENCE, place, now_ms),
    )


def expected_objects(photo: Photo, placement: Placement) -> list[ExpectedObject]:
    """The photo's objects that may be stored there, variants first, because viewers wait for those.

    Raises Unprocessable if the raw may be stored there but the photo has no recorded SHA-256 to verify a copy by.
    """
    expected = []
    if placement.variants.allowed:
        for variant in photo.variants:
            key, size_bytes = variant_key(photo.photo_id, variant.name), variant.size_bytes
            # A newer program may write formats that this one does not know.
            content_type = CONTENT_TYPES.get(variant.format, _UNKNOWN_TYPE)
            expected.append(ExpectedObject(VARIANTS, key, variant.sha256, size_bytes, content_type, IMMUTABLE))
    if placement.raw.allowed:
        if photo.sha256 is None:
            raise Unprocessable(f"photo {photo.photo_id} has no recorded SHA-256, so no copy of it could be verified")
        content_type = photo.content_type or _UNKNOWN_TYPE
        expected.append(ExpectedObject(RAW, raw_key(photo.photo_id), photo.sha256, photo.size_bytes, content_type))
    return expected
