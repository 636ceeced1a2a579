"""Fingerprints: alike for pictures that look alike, different for those that don't."""

import hashlib
import io

import pytest
from PIL import Image

from processing import fingerprints
from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import grey


def hash_of(data: bytes) -> int:
    return int(fingerprints.perceptual_hash(grey(decode(read_header(data)))), 16)


def bits_apart(one: bytes, other: bytes) -> int:
    return (hash_of(one) ^ hash_of(other)).bit_count()


def test_the_checksum_is_the_sha256_of_the_bytes():
    """In lower-case hex."""
    assert fingerprints.sha256(b"photo") == hashlib.sha256(b"photo").hexdigest()


def test_a_perceptual_hash_has_sixteen_digits(draw):
    """Leading zeros included, because the catalog stores it as text of one length."""
    data = draw(1, 400, 300)
    text = fingerprints.perceptual_hash(grey(decode(read_header(data))))
    assert len(text) == fingerprints.PERCEPTUAL_BITS // 4 and int(text, 16) >= 0


@pytest.mark.parametrize("change", ["smaller", "worse", "png", "grey"])
def test_a_converted_photo_has_almost_the_same_hash(draw, file, change):
    """Scaled, compressed harder, in another format, without colour: at most a few bits differ."""
    original = draw(5, 1200, 900)
    image = Image.open(io.BytesIO(original)).convert("RGB")
    converted = {
        "smaller": lambda: file(image.resize((300, 225)), quality=85),
        "worse": lambda: file(image, quality=25),
        "png": lambda: file(image, "PNG"),
        "grey": lambda: file(image.convert("L")),
    }[change]()
    assert bits_apart(original, converted) <= 6


@pytest.mark.parametrize("seed", range(2, 8))
def test_different_photos_have_different_hashes(draw, seed):
    """They differ by more bits than the greatest distance that the known-bad list allows."""
    assert bits_apart(draw(1, 400, 300), draw(seed, 400, 300)) > 16
