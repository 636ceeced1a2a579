"""What stands behind transparency: a logo must be seen, and a cut-out stands on white."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from processing.imaging import backdrop
from tests.builders import pictures, pngs, scenes

WHITE, DARK, GREY = backdrop.BACKDROPS


def logo(*colours: tuple[int, int, int]) -> np.ndarray:
    """Bars of these colours on a transparent ground whose hidden colour is red."""
    pixels = np.zeros((60, 40 * len(colours) + 20, 4), np.uint8)
    pixels[..., 0] = 255
    for place, colour in enumerate(colours):
        pixels[15:45, 20 + 40 * place : 40 + 40 * place] = (*colour, 255)
    return pixels


@pytest.mark.parametrize(
    ("colours", "expected"),
    [
        ([(0, 0, 0)], WHITE),
        ([(200, 30, 30)], WHITE),
        ([(255, 255, 255)], DARK),
        ([(250, 240, 200)], DARK),
        ([(255, 255, 255), (0, 0, 0)], GREY),
        ([(255, 255, 255), (255, 255, 255), (128, 128, 128)], DARK),
    ],
    ids=["black", "red", "white", "cream", "black and white", "white and grey"],
)
def test_a_logo_stands_out_from_what_is_behind_it(colours, expected):
    """White, unless a part of it would vanish there."""
    assert backdrop.choose(logo(*colours)) == expected


@pytest.mark.parametrize("colours", [[(0, 0, 0)], [(255, 255, 255)], [(255, 255, 255), (0, 0, 0)]])
def test_every_bar_of_a_logo_is_seen_in_its_variants(colours):
    """The whole way, from a PNG."""
    drawn = pictures.master_pixels(pngs.png(logo(*colours), pngs.RGBA)).astype(int)
    for place in range(len(colours)):
        assert np.abs(drawn[30, 30 + 40 * place] - drawn[5, 5]).max() > 80


def test_a_photo_that_was_cut_out_stands_on_white():
    """A few bright parts at its edge do not count."""
    pixels = np.dstack([scenes.gradient(120, 90), np.zeros((90, 120), np.uint8)])
    down, across = np.ogrid[:90, :120]
    pixels[..., 3] = np.where((down - 45) ** 2 + (across - 60) ** 2 < 1500, 255, 0)
    assert backdrop.choose(pixels) == WHITE


@pytest.mark.parametrize("alpha", [0, 255])
def test_without_an_outline_it_is_white(alpha):
    """All opaque, or all transparent."""
    assert backdrop.choose(np.full((9, 9, 4), alpha, np.uint8)) == WHITE


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))))
def test_any_pixels_have_a_backdrop(pixels):
    """Even one pixel."""
    assert backdrop.choose(pixels) in backdrop.BACKDROPS


@given(arrays(np.uint8, (9, 9, 4)), st.integers(0, 3))
def test_a_turn_changes_nothing(pixels, quarters):
    """What counts has no direction."""
    assert backdrop.choose(np.rot90(pixels, quarters)) == backdrop.choose(pixels)
