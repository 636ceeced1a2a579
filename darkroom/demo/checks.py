"""What the demo claims, and whether it held. Pure: judges what was seen; knows no network and no terminal."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from darkroom.operate.stored_copy import StoredCopy

_EU_REGIONS = ("eu-west", "eu-central")
_US_REGIONS = ("us-central", "eu-central")
"""Where a photo from the US may lie whole: the raw may not be kept in eu-west."""

WHOLE = ("raw", "variant 150", "variant 320", "variant 640", "variant 1080")


@dataclass(frozen=True, slots=True)
class ImageObservation:
    """One image, fetched twice: what is wrong with it, and the `Cache-Status` (RFC 9211) of each time."""

    photo_id: str
    size: str
    flaw: str
    first: str
    second: str


@dataclass(slots=True)
class Observation:
    """`feed` is what the follower in Chicago was shown; `refused` says of a photo why it never became ready."""

    eu_photos: list[str] = field(default_factory=list)
    us_photos: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    feed: list[str] = field(default_factory=list)
    image_observations: list[ImageObservation] = field(default_factory=list)
    stored_copies: dict[str, list[StoredCopy]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DemoCheck:
    """`exceptions` names what broke the claim; none means that it held."""

    claim: str
    exceptions: tuple[str, ...]

    @property
    def held(self) -> bool:
        return not self.exceptions


def checks(seen: Observation, jurisdictions: Mapping[str, str]) -> list[DemoCheck]:
    """`jurisdictions` are by place. A photo that was refused breaks the first claim and is left out of the others."""
    eu = [photo_id for photo_id in seen.eu_photos if photo_id not in seen.refused]
    us = [photo_id for photo_id in seen.us_photos if photo_id not in seen.refused]
    shown = Counter(seen.feed)
    return [
        _check("Every photo is ready", (f"{photo_id}: {why}" for photo_id, why in seen.refused.items())),
        _check("There are photos of both people", [] if eu and us else ["nothing is left to look at"]),
        _check(
            "The follower's feed has each photo once",
            (f"{photo_id} is there {shown[photo_id]} times" for photo_id in eu if shown[photo_id] != 1),
        ),
        _check(
            "Every image is a JPEG that tells nothing of camera, time or place",
            (f"{sight.photo_id} {sight.size} {sight.flaw}" for sight in seen.image_observations if sight.flaw),
        ),
        _check("EU photos lie in the EU only", _abroad(seen, eu, jurisdictions)),
        _check("EU photos lie in both EU regions, whole", _incomplete(seen, eu, _EU_REGIONS)),
        _check("US photos lie in two regions, whole", _incomplete(seen, us, _US_REGIONS)),
        _check(
            "A rule of the policy allows every byte where it is",
            (f"{item.place}: {item.what} of {photo}, {item.rule}" for photo, item in _all(seen) if not item.allowed),
        ),
        _check(
            "An edge keeps what it may, and forgets what it may not",
            (
                f"{at.photo_id}: {at.second}"
                for at in seen.image_observations
                if is_hit(at.second) != (at.photo_id in us)
            ),
        ),
    ]


def has_spread(seen: Observation) -> bool:
    """True once the copies that the policy allows have arrived."""
    eu, us = ([photo_id for photo_id in of if photo_id not in seen.refused] for of in (seen.eu_photos, seen.us_photos))
    return not (_incomplete(seen, eu, _EU_REGIONS) or _incomplete(seen, us, _US_REGIONS))


def is_whole(lying: Sequence[StoredCopy], place: str) -> bool:
    return {item.what for item in lying if item.place == place} >= set(WHOLE)


def is_hit(cache_status: str) -> bool:
    """The last member is the cache nearest to the reader (RFC 9211 section 2)."""
    return "hit" in [parameter.strip() for parameter in cache_status.rpartition(",")[2].split(";")]


def in_short(lying: Sequence[StoredCopy]) -> str:
    """`raw; variant 150, 320`: each kind once, and its sizes once, in whatever store of the place they are."""
    sizes: dict[str, dict[str, None]] = {}
    for item in lying:
        kind, _, size = item.what.partition(" (")[0].partition(" ")
        sizes.setdefault(kind, {})[size] = None
    return "; ".join(f"{kind} {', '.join(of)}".strip() for kind, of in sizes.items())


def flaw_of(data: bytes) -> str:
    """What is wrong with an image that should be a whole JPEG without metadata; nothing where it is one."""
    if not (data.startswith(b"\xff\xd8") and data.rstrip(b"\0").endswith(b"\xff\xd9")):
        return "is no whole JPEG"
    for mark, name in ((b"Exif\0\0", "EXIF"), (b"http://ns.adobe.com/xap/", "XMP"), (b"Photoshop 3.0\0", "IPTC")):
        if mark in data:
            return f"carries {name}"
    return ""


def _check(claim: str, exceptions: Iterable[str]) -> DemoCheck:
    return DemoCheck(claim, tuple(exceptions))


def _abroad(seen: Observation, photo_ids: list[str], jurisdictions: Mapping[str, str]) -> list[str]:
    return [
        f"{item.place} holds {item.what} of {photo_id}"
        for photo_id in photo_ids
        for item in seen.stored_copies.get(photo_id, [])
        if jurisdictions.get(item.place) != "EU"
    ]


def _incomplete(seen: Observation, photo_ids: list[str], regions: tuple[str, ...]) -> list[str]:
    return [
        f"{region} lacks part of {photo_id}"
        for photo_id in photo_ids
        for region in regions
        if not is_whole(seen.stored_copies.get(photo_id, []), region)
    ]


def _all(seen: Observation) -> list[tuple[str, StoredCopy]]:
    return [(photo_id, item) for photo_id, lying in seen.stored_copies.items() for item in lying]
