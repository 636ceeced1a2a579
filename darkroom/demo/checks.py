"""The demo's claims, and how an observation is checked against them. Pure: uses neither the network nor a terminal."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.filesize import decimal

from darkroom.operate.stored_copy import StoredCopy
from processing.imaging.recipe import RECIPE
from regions.image_limits import VARIANT_SIZES
from regions.variant_names import variant_name

_EU_REGIONS = ("eu-west", "eu-central")
_US_REGIONS = ("us-central", "eu-central")
"""Where a complete copy of a US photo is stored: the policy forbids its raw file in eu-west."""

COMPLETE = ("raw", *(f"variant {variant_name(size, RECIPE, 'jpg')}" for size in VARIANT_SIZES))
"""What a region with all of a photo stores."""


@dataclass(frozen=True, slots=True)
class ImageObservation:
    """One image, fetched twice: its flaw, if any, and the `Cache-Status` (RFC 9211) of each response."""

    photo_id: str
    size: str
    flaw: str
    first: str
    second: str


@dataclass(slots=True)
class Observation:
    """What the demo observed. `feed` is the feed of the follower in Chicago; `rejected` has the reason by photo."""

    eu_photos: list[str] = field(default_factory=list)
    us_photos: list[str] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    captions: dict[str, str] = field(default_factory=dict)
    feed: list[str] = field(default_factory=list)
    images: list[ImageObservation] = field(default_factory=list)
    stored_copies: dict[str, list[StoredCopy]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DemoCheck:
    """One claim; it held if there are no `exceptions`, each of which describes what contradicts it."""

    claim: str
    exceptions: tuple[str, ...]

    @property
    def held(self) -> bool:
        return not self.exceptions


def checks(observed: Observation, jurisdictions: Mapping[str, str]) -> list[DemoCheck]:
    """`jurisdictions` are by place. A rejected photo contradicts the first claim, and is left out of the others."""
    eu, us = _ready(observed, observed.eu_photos), _ready(observed, observed.us_photos)
    in_feed = Counter(observed.feed)
    return [
        _check("Every photo is ready", (f"{photo_id}: {why}" for photo_id, why in observed.rejected.items())),
        _check("There are photos of both people", [] if eu and us else ["nothing is left to check"]),
        _check(
            "The follower's feed has each photo once",
            (f"{photo_id} is there {in_feed[photo_id]} times" for photo_id in eu if in_feed[photo_id] != 1),
        ),
        _check(
            "Every image is a JPEG without metadata about camera, time or place",
            (f"{image.photo_id} {image.size} {image.flaw}" for image in observed.images if image.flaw),
        ),
        _check("EU photos are stored only in the EU", _abroad(observed, eu, jurisdictions)),
        _check("Both EU regions store EU photos completely", _incomplete(observed, eu, _EU_REGIONS)),
        _check("Two regions store US photos completely", _incomplete(observed, us, _US_REGIONS)),
        _check(
            "A rule of the policy allows every stored byte",
            (
                f"{copy.place}: {copy.what} of {photo_id}, {copy.rule}"
                for photo_id, copies in observed.stored_copies.items()
                for copy in copies
                if not copy.allowed
            ),
        ),
        _check(
            "An edge caches exactly the images that it may",
            (
                f"{image.photo_id}: {image.second}"
                for image in observed.images
                if is_hit(image.second) != (image.photo_id in us)
            ),
        ),
    ]


def has_spread(observed: Observation) -> bool:
    """True once every region stores all copies that it should."""
    eu, us = _ready(observed, observed.eu_photos), _ready(observed, observed.us_photos)
    return not (_incomplete(observed, eu, _EU_REGIONS) or _incomplete(observed, us, _US_REGIONS))


def is_hit(cache_status: str) -> bool:
    """True for a hit in the cache nearest to the user, which is the last member (RFC 9211 section 2)."""
    return "hit" in [parameter.strip() for parameter in cache_status.rpartition(",")[2].split(";")]


def cell(copies: Sequence[StoredCopy]) -> str:
    """What one place stores of a photo: `raw 4v 1.2 MB`; `–` for nothing, and `✗` first if the policy forbids any.

    An image that an edge has both in memory and on disk counts once. Records have no column of their own.
    """
    sizes = {copy.what.partition(" (")[0]: copy.size_bytes for copy in copies if copy.size_bytes is not None}
    if not sizes:
        return "–" if all(copy.allowed for copy in copies) else "✗ record"
    variants = sum(what != "raw" for what in sizes)
    kinds = [*(["raw"] if "raw" in sizes else []), *([f"{variants}v"] if variants else [])]
    mark = "" if all(copy.allowed for copy in copies) else "✗ "
    return f"{mark}{' '.join(kinds)}\n{decimal(sum(sizes.values()))}"


def flaw_of(data: bytes) -> str:
    """What is wrong with an image that should be a complete JPEG without metadata; empty if nothing is."""
    if not (data.startswith(b"\xff\xd8") and data.rstrip(b"\0").endswith(b"\xff\xd9")):
        return "is not a complete JPEG"
    for mark, name in ((b"Exif\0\0", "EXIF"), (b"http://ns.adobe.com/xap/", "XMP"), (b"Photoshop 3.0\0", "IPTC")):
        if mark in data:
            return f"contains {name}"
    return ""


def _check(claim: str, exceptions: Iterable[str]) -> DemoCheck:
    return DemoCheck(claim, tuple(exceptions))


def _ready(observed: Observation, photo_ids: list[str]) -> list[str]:
    return [photo_id for photo_id in photo_ids if photo_id not in observed.rejected]


def _abroad(observed: Observation, photo_ids: list[str], jurisdictions: Mapping[str, str]) -> list[str]:
    return [
        f"{copy.place} stores {copy.what} of {photo_id}"
        for photo_id in photo_ids
        for copy in observed.stored_copies.get(photo_id, [])
        if jurisdictions.get(copy.place) != "EU"
    ]


def _incomplete(observed: Observation, photo_ids: list[str], regions: tuple[str, ...]) -> list[str]:
    return [
        f"{region} lacks part of {photo_id}"
        for photo_id in photo_ids
        for region in regions
        if not {copy.what for copy in observed.stored_copies.get(photo_id, []) if copy.place == region} >= set(COMPLETE)
    ]
