"""Which photos are known to be bad. Pure: knows neither the settings nor pixels, only text and fingerprints.

The setting `moderation/known_bad` is text with one entry per line; people write comments behind `#`:

    sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08   # exactly this file
    phash  c3d4a5b6978869fe                                                  # what looks like this: up to 6 bits apart
    phash  c3d4a5b6978869fe 10                                               # up to 10 bits apart

A list with one unreadable line is not used at all: the caller must keep photos waiting until it is corrected.
"""

import re
from dataclasses import dataclass

DISTANCE_BITS = 6
MAX_DISTANCE_BITS = 16
"""Beyond this, photos that have nothing in common would match: unrelated ones are 32 bits apart, give or take 4."""

_SHA256 = re.compile("[0-9a-f]{64}")
_PHASH = re.compile("[0-9a-f]{16}")
_DISTANCE = re.compile("[0-9]{1,2}")


class KnownBadError(ValueError):
    """The list can't be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class KnownBad:
    """`hashes` are perceptual hashes, each with the greatest Hamming distance, in bits, that still matches."""

    sha256s: frozenset[str] = frozenset()
    hashes: tuple[tuple[int, int], ...] = ()


def parse(text: str) -> KnownBad:
    """Raises KnownBadError."""
    sha256s: set[str] = set()
    hashes: list[tuple[int, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        match line.partition("#")[0].split():
            case []:
                continue
            case ["sha256", digest] if _SHA256.fullmatch(digest):
                sha256s.add(digest)
            case ["phash", value] if _PHASH.fullmatch(value):
                hashes.append((int(value, 16), DISTANCE_BITS))
            case ["phash", value, bits] if (
                _PHASH.fullmatch(value) and _DISTANCE.fullmatch(bits) and int(bits) <= MAX_DISTANCE_BITS
            ):
                hashes.append((int(value, 16), int(bits)))
            case _:
                raise KnownBadError(f"line {number} of the known-bad list is not `sha256 HEX` or `phash HEX [BITS]`")
    return KnownBad(frozenset(sha256s), tuple(hashes))


def is_known_bad(known: KnownBad, sha256: str, perceptual_hash: str) -> bool:
    """`sha256` and `perceptual_hash` are lower-case hex."""
    if sha256 in known.sha256s:
        return True
    photo_hash = int(perceptual_hash, 16)
    return any((photo_hash ^ value).bit_count() <= bits for value, bits in known.hashes)
