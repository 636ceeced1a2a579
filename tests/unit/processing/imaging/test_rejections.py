"""Which files imaging rejects: those that are not images, are damaged, or have too many pixels."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.formats.facts import InvalidImage
from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import Rendering, render, scale
from regions.image_limits import AVIF, JPEG, PNG, WEBP

MAGIC = (
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x40\0\0\0WEBPVP8 ",
    b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
    b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
    b"",
)


def draw(data: bytes) -> list[Rendering]:
    return render(scale(decode(read_header(data))))


def rejection(data: bytes) -> str:
    """The code of the error."""
    with pytest.raises(InvalidImage) as raised:
        draw(data)
    return raised.value.code


@pytest.mark.parametrize("kind", ["PPM", "ICO", "PDF", "TGA"])
def test_other_image_types_are_rejected(gradient, file, kind):
    """Before a decoder sees them, even if libvips could read them."""
    assert rejection(file(gradient(64, 64), kind)) == "not-an-image"


@pytest.mark.parametrize(
    "data", [b"", b"x", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"PK\3\4", b"\xff\xd8"]
)
def test_a_file_that_is_not_an_image_is_rejected(data):
    """Text, archives, documents and vector drawings."""
    assert rejection(data) == "not-an-image"


@pytest.mark.parametrize(("kind", "content_type"), [("JPEG", JPEG), ("PNG", PNG), ("WEBP", WEBP), ("AVIF", AVIF)])
def test_the_type_is_detected_from_the_bytes(gradient, file, kind, content_type):
    """All variants can be made of each type."""
    data = file(gradient(64, 48), kind)
    assert read_header(data).content_type == content_type
    assert len(draw(data)) == 4


def test_an_empty_heic_file_is_rejected():
    """Its type is detected, and its missing content is an error of the file, not a crash."""
    brand = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic"
    assert rejection(brand + bytes(2000)) in ("damaged", "unsupported", "truncated")


@pytest.mark.parametrize("size", [(100_000, 100_000), (65_536, 1), (1, 65_536), (22_001, 10_000)])
def test_a_picture_with_too_many_pixels_is_rejected(png_header, size):
    """By its header alone: a file of a hundred bytes can claim ten thousand megapixels."""
    assert rejection(png_header(*size)) == "too-many-pixels"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.97])
def test_a_truncated_file_is_rejected(gradient, file, kind, kept):
    """No picture with a grey half is ever published. Some decoders report truncation only as damage."""
    whole = file(gradient(500, 400), kind)
    expected = {"truncated", "damaged"} if kind in ("WEBP", "AVIF", "PNG") else {"truncated"}
    assert rejection(whole[: int(len(whole) * kept)]) in expected


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MAGIC), st.binary(max_size=400))
def test_any_bytes_are_decoded_or_rejected(magic, rest):
    """No other error is raised, and nothing crashes."""
    try:
        draw(magic + rest)
    except InvalidImage as error:
        assert error.code and error.detail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_files_with_changed_bytes_are_decoded_or_rejected(gradient, file, kind):
    """A few bytes changed anywhere cause no other error and no crash."""
    whole, chance = file(gradient(80, 60), kind), random.Random(7)
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            draw(bytes(changed))
        except InvalidImage as error:
            assert error.code and error.detail
