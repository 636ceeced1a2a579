"""Which photos are known to be bad. Pure: knows neither the settings nor pixels, only text and fingerprints.

The setting `moderation/known_bad` is text with one entry per line; people write comments behind `#`. `darkroom
fingerprint FILE` prints the lines of a picture; HEX64 stands for 64 hex digits:

    sha256 HEX64      # exactly this file
    phash  HEX64      # what looks like this: up to 31 bits apart
    phash  HEX64 12   # up to 12 bits apart

`darkroom known-bad set FILE` writes it. A list with one unreadable line is not used at all: the caller must keep photos
waiting until it is corrected.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from regions.stores.settings import MAX_VALUE_BYTES
from regions.untrusted_text import SHA256

DISTANCE_BITS = 31
"""Of 18 million pairs of pictures that have nothing in common none is as close; by their tail, one in 80 million is."""
MAX_DISTANCE_BITS = 40
"""One pair in 25 million. `docs/moderation.md` has the table, and what copies stay within each distance."""
MAX_ENTRIES = MAX_VALUE_BYTES // len(f"phash {'0' * 64}\n")
"""As many as a setting can hold: 7,355. For each photo, all are compared; each goes to a worker once, in 33 bytes."""

_PHASH = re.compile("[0-9a-f]{64}")
_OLD_PHASH = re.compile("[0-9a-f]{16}")
_DISTANCE = re.compile("[0-9]{1,2}")


class KnownBadError(ValueError):
    """The list can't be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class KnownBad:
    """`hashes` are perceptual hashes, 32 bytes each; `distances_bits` the greatest Hamming distance of each, a byte.

    `version` names the content: lists of one version are the same list. That of the empty list is empty.
    """

    version: str = ""
    sha256s: frozenset[str] = frozenset()
    hashes: bytes = b""
    distances_bits: bytes = b""


EMPTY = KnownBad()


@lru_cache(maxsize=1)
def parse(text: str) -> KnownBad:
    """Raises KnownBadError. Remembers the latest list, because it is the same for almost every photo."""
    sha256s: set[str] = set()
    hashes, distances_bits = bytearray(), bytearray()
    for number, line in enumerate(text.splitlines(), 1):
        match line.partition("#")[0].split():
            case []:
                continue
            case ["sha256", digest] if SHA256.fullmatch(digest):
                sha256s.add(digest)
            case ["phash", value, *bits] if _PHASH.fullmatch(value) and _is_distance(bits):
                hashes += bytes.fromhex(value)
                distances_bits.append(int(bits[0]) if bits else DISTANCE_BITS)
            case words:
                raise KnownBadError(f"line {number} of the known-bad list {_what_is_wrong(words)}")
        if len(sha256s) + len(distances_bits) > MAX_ENTRIES:
            raise KnownBadError(f"line {number} of the known-bad list is one too many: at most {MAX_ENTRIES:,} count")
    version = hashlib.sha256(text.encode()).hexdigest() if sha256s or hashes else ""
    return KnownBad(version, frozenset(sha256s), bytes(hashes), bytes(distances_bits))


def _is_distance(bits: Sequence[str]) -> bool:
    """Of the words behind a hash: none, or a number of bits that is allowed."""
    match bits:
        case []:
            return True
        case [number]:
            return bool(_DISTANCE.fullmatch(number)) and int(number) <= MAX_DISTANCE_BITS
    return False


def _what_is_wrong(words: Sequence[str]) -> str:
    match words:
        case ["phash", value, *_] if _OLD_PHASH.fullmatch(value):
            return (
                "has a hash of 16 digits, as older versions made them: make it again from the picture with "
                "`darkroom fingerprint FILE`, or delete the line"
            )
    return f"is not `sha256 HEX64` or `phash HEX64 [BITS]`, with at most {MAX_DISTANCE_BITS} BITS"


def is_known_bad(known: KnownBad, sha256: str, perceptual_hash: str | None) -> bool:
    """Both are lower-case hex. A picture without a perceptual hash is known by its bytes only."""
    if sha256 in known.sha256s:
        return True
    if perceptual_hash is None:
        return False
    photo_hash = np.frombuffer(bytes.fromhex(perceptual_hash), np.uint64)
    listed = np.frombuffer(known.hashes, np.uint64).reshape(-1, len(photo_hash))
    # Up to 64 differ in each of the four words. A product adds them up three times as fast as `sum` does.
    bits_apart = np.bitwise_count(listed ^ photo_hash) @ np.ones(len(photo_hash), np.uint16)
    return bool((bits_apart <= np.frombuffer(known.distances_bits, np.uint8)).any())
