"""Placeholders: what a browser makes of them looks like the photo."""

import base64
import math

import numpy as np
import pytest

from bench import synthetic_photos
from processing.placeholder import thumbhash

# Made by the reference, npm's thumbhash 0.1.1, of the same pictures.
REFERENCE = {
    (32, 32): "XQgGDwQgMpcDU6lHl3h0hoRnBjKAORAG",
    (32, 24): "XPgFFYQgUaklhYhHd3iEZyAlRxCF",
    (18, 32): "HPgFFAgRCHJbllVWV1ghIHUwow==",
    (32, 6): "G+gJOYRAdohWeXd4QGe3lY8=",
    (3, 32): "V+cJKQqHcGd4dIZWeHB3CLk=",
}


def waves(width: int, height: int) -> np.ndarray:
    """A picture in which everything changes in every direction, the same on every machine."""
    down, across = np.mgrid[0:height, 0:width]
    bands = [(across**2 + down * 5) % 251, (down**2 * 3 + across * 7) % 241, (across * 7 + down * 11) % 97 + 60]
    return np.stack(bands, axis=2).astype(np.uint8)


def decoded(text: str) -> tuple[np.ndarray, float]:
    """The average colour, 0 to 255, and the width by the height, as the format's page defines them."""
    data = base64.b64decode(text)
    first, second = int.from_bytes(data[:3], "little"), int.from_bytes(data[3:5], "little")
    light, yellow, reddish = (first & 63) / 63, (first >> 6 & 63) / 31.5 - 1, (first >> 12 & 63) / 31.5 - 1
    blue = light - 2 / 3 * yellow
    red = (3 * light - blue + reddish) / 2
    ratio = (second & 7) / 7
    return np.clip((red, red - reddish, blue), 0, 1) * 255, 1 / ratio if second >> 15 else ratio


@pytest.mark.parametrize("size", REFERENCE)
def test_it_is_what_the_reference_makes(size):
    """Byte by byte, for pictures that are small enough for the reference."""
    assert thumbhash(waves(*size)) == REFERENCE[size]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [(1080, 1440), (1080, 720), (640, 640), (250, 200)])
def test_the_average_colour_and_the_shape_are_the_photos(seed, size):
    """Within what six bits a colour and three bits a shape can say."""
    photo = np.asarray(synthetic_photos.scene(seed, *size))
    colour, ratio = decoded(thumbhash(photo))
    assert np.abs(colour - photo.mean(axis=(0, 1))).max() < 8
    assert math.isclose(ratio, size[0] / size[1], rel_tol=0.12)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (16_000, 7), (2, 3)])
def test_every_shape_has_one(size):
    """Also a line, or a single pixel. It fits into 36 characters."""
    text = thumbhash(waves(*size))
    assert len(text) <= 36 and len(base64.b64decode(text)) >= 5


@pytest.mark.parametrize("level", [0, 77, 255])
def test_one_colour_has_no_waves(level):
    """Not even those of rounding errors, which differ from machine to machine."""
    data = base64.b64decode(thumbhash(np.full((90, 60, 3), level, np.uint8)))
    assert set(data[5:]) == {0}
    assert np.abs(decoded(thumbhash(np.full((90, 60, 3), level, np.uint8)))[0] - level).max() < 4


def test_the_same_photo_has_the_same_placeholder_at_every_size():
    """Almost: its average colour and its shape."""
    scene = synthetic_photos.scene(3, 1080, 810)
    small, large = (decoded(thumbhash(np.asarray(image))) for image in (scene.resize((320, 240)), scene))
    assert small[1] == large[1]
    assert np.abs(small[0] - large[0]).max() <= 8


def test_a_picture_of_two_halves_is_dark_where_the_photo_is(file):
    """The first wave across has the sign of what is on the left."""
    halves = np.zeros((60, 60, 3), np.uint8)
    halves[:, :30] = 255
    first = base64.b64decode(thumbhash(halves))[5] & 15
    mirrored = base64.b64decode(thumbhash(halves[:, ::-1]))[5] & 15
    assert (first, mirrored) == (15, 0)
