"""What imaging refuses: everything that is no photo, or too large a one, whatever it calls itself."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing import imaging

MAGIC = (
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x40\0\0\0WEBPVP8 ",
    b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
    b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
    b"",
)


def draw(data: bytes) -> list[imaging.Rendering]:
    header = imaging.read_header(data, imaging.content_type(data))
    return imaging.render(imaging.decode(data, header))


def refusal(data: bytes) -> str:
    with pytest.raises(imaging.InvalidImage) as refused:
        draw(data)
    return refused.value.code


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "PPM", "ICO", "PDF"])
def test_only_five_kinds_of_file_are_photos(gradient, file, kind):
    """Others are refused before a decoder sees them, even where libvips could read them."""
    assert refusal(file(gradient(64, 64), kind)) == "not-an-image"


@pytest.mark.parametrize(
    "data", [b"", b"x", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"PK\3\4", b"\xff\xd8"]
)
def test_what_is_no_picture_is_not_an_image(data):
    """Text, archives, documents and drawings."""
    assert refusal(data) == "not-an-image"


@pytest.mark.parametrize(
    ("kind", "found"), [("JPEG", imaging.JPEG), ("PNG", imaging.PNG), ("WEBP", imaging.WEBP), ("AVIF", imaging.AVIF)]
)
def test_a_file_is_what_its_bytes_say(gradient, file, kind, found):
    """Each kind is known by its content, and can be drawn."""
    data = file(gradient(64, 48), kind)
    assert imaging.content_type(data) == found
    assert len(draw(data)) == 4


def test_a_heic_of_nothing_is_refused():
    """It is recognised, and declined as a whole, not as a crash."""
    brand = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic"
    assert imaging.content_type(brand) == imaging.HEIC
    assert refusal(brand + bytes(2000)) in ("damaged", "unsupported", "truncated")


@pytest.mark.parametrize("size", [(100_000, 100_000), (30_001, 1), (1, 30_001), (12_001, 10_000)])
def test_a_header_that_is_too_large_is_refused(png_header, size):
    """By its claim alone: a file of a hundred bytes that says it has ten thousand megapixels."""
    assert refusal(png_header(*size)) == "too-many-pixels"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.97])
def test_a_file_that_was_cut_off_is_refused(gradient, file, kind, kept):
    """No half grey picture is ever published. WebP's decoder does not say what ails it."""
    whole = file(gradient(500, 400), kind)
    expected = {"truncated", "damaged"} if kind in ("WEBP", "AVIF", "PNG") else {"truncated"}
    assert refusal(whole[: int(len(whole) * kept)]) in expected


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MAGIC), st.binary(max_size=400))
def test_no_bytes_bring_it_down(magic, rest):
    """Any bytes at all are drawn or refused; nothing else happens."""
    try:
        draw(magic + rest)
    except imaging.InvalidImage as refused:
        assert refused.code and refused.detail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_no_flipped_byte_brings_it_down(gradient, file, kind):
    """Real files with a few bytes changed anywhere are drawn or refused; nothing else happens."""
    whole, chance = file(gradient(80, 60), kind), random.Random(7)
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            draw(bytes(changed))
        except imaging.InvalidImage as refused:
            assert refused.code and refused.detail
