"""The demo's photos look like a camera's photos to any program that reads them."""

import io

import pytest
from PIL import Image, ImageOps

from darkroom.demo import drawing

MB = 1_000_000


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_generated_photo_is_like_a_cameras(number):
    """It has 12 megapixels in 2 to 8 MB, and metadata with camera, time, orientation and location."""
    data = drawing.draw(number)
    image = Image.open(io.BytesIO(data))
    exif = image.getexif()
    assert 2 * MB <= len(data) <= 8 * MB
    assert (image.format, image.size) == ("JPEG", (4032, 3024))
    assert (exif[0x0110], exif[0x0112]) == ("Demo Camera 1", 6 if number == 2 else 1)
    assert exif.get_ifd(0x8769)[0x9003].startswith("2026:05:17")
    assert exif.get_ifd(0x8825)[1] == "N"


def test_a_turned_photo_is_upright_when_its_orientation_is_applied():
    """The sky is above the sea: the evening sky is brightest at the horizon, the sea is darkest in front."""
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(drawing.draw(2)))).convert("L").resize((1, 8))
    assert upright.getpixel((0, 7)) < upright.getpixel((0, 0)) < upright.getextrema()[1]


def test_captions_differ_from_photo_to_photo():
    """There are four times of day, in turn."""
    assert len({drawing.caption(number) for number in range(8)}) == 4
