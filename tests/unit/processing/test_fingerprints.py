"""Fingerprints: alike for pictures that look alike, different for those that don't."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from bench import synthetic_photos
from processing import fingerprints, moderation
from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import grey, scale


def grey_of(data: bytes) -> np.ndarray:
    return grey(scale(decode(read_header(data))))


def hash_of(data: bytes) -> str | None:
    return fingerprints.perceptual_hash(grey_of(data))


def bits_apart(one: bytes, other: bytes) -> int:
    return (int(hash_of(one), 16) ^ int(hash_of(other), 16)).bit_count()


def test_the_checksum_is_the_sha256_of_the_bytes():
    """In lower-case hex."""
    assert fingerprints.sha256(b"photo") == hashlib.sha256(b"photo").hexdigest()


def test_a_perceptual_hash_has_sixty_four_digits(draw):
    """Leading zeros included, because the catalog stores it as text of one length."""
    text = hash_of(draw(1, 400, 300))
    assert len(text) == fingerprints.PERCEPTUAL_BITS // 4 and int(text, 16) >= 0


@pytest.mark.parametrize("seed", range(3))
def test_noise_turns_few_bits_of_a_picture_with_detail(seed):
    """At most those that `detail` does not count, and of these about a quarter."""
    grey = grey_of(synthetic_photos.jpeg(seed, 640, 480))
    noisy = (grey + np.random.default_rng(seed).normal(0, 1, grey.shape)).round().clip(0, 255).astype(np.uint8)
    turned = int(fingerprints.perceptual_hash(grey), 16) ^ int(fingerprints.perceptual_hash(noisy), 16)
    assert turned.bit_count() <= fingerprints.PERCEPTUAL_BITS - fingerprints.detail(grey)


def test_a_photo_has_much_more_detail_than_is_needed(draw):
    """So that a darker or smaller copy has enough, too."""
    assert fingerprints.detail(grey_of(synthetic_photos.jpeg(1, 1200, 900))) > 1.5 * fingerprints.MIN_DETAIL


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", synthetic_photos.FLAT)
def test_a_picture_without_detail_has_no_perceptual_hash(kind, file, seed):
    """Else all of them would be taken for one another."""
    assert hash_of(file(synthetic_photos.flat(kind, seed, 400, 300), quality=80)) is None


@pytest.mark.parametrize("change", ["smaller", "worse", "png", "grey", "brighter", "less contrast", "cropped"])
def test_a_converted_photo_has_almost_the_same_hash(draw, file, change):
    """It is closer than the known-bad list asks for, without a distance."""
    original = draw(5, 1200, 900)
    image = Image.open(io.BytesIO(original)).convert("RGB")
    converted = {
        "smaller": lambda: file(image.resize((300, 225)), quality=85),
        "worse": lambda: file(image, quality=25),
        "png": lambda: file(image, "PNG"),
        "grey": lambda: file(image.convert("L")),
        "brighter": lambda: file(ImageEnhance.Brightness(image).enhance(1.15)),
        "less contrast": lambda: file(ImageEnhance.Contrast(image).enhance(0.85)),
        "cropped": lambda: file(image.crop((6, 4, 1194, 896))),
    }[change]()
    assert bits_apart(original, converted) <= moderation.DISTANCE_BITS


@pytest.mark.parametrize("seed", range(2, 8))
def test_different_photos_have_different_hashes(draw, seed):
    """They differ by more bits than the greatest distance that the known-bad list allows."""
    assert bits_apart(draw(1, 400, 300), draw(seed, 400, 300)) > 2 * moderation.MAX_DISTANCE_BITS
