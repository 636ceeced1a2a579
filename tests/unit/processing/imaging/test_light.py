"""Colour arithmetic against published values, and laws that hold for any picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from processing.formats.facts import Calibrated, Cicp
from processing.imaging import light
from tests.builders import colour_difference, scenes, signals

SRGB_XY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ANY_PIXELS = arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(3)))


def drawn(signal: np.ndarray, colour: Cicp | Calibrated) -> np.ndarray:
    return light.to_srgb(signals.sixteen_bits(signal), colour)


@pytest.mark.parametrize(
    ("cd_m2", "signal"), [(0, 0.0), (0.1, 0.0623), (1, 0.1499), (100, 0.5081), (203, 0.5807),
                          (1000, 0.7518), (4000, 0.9026), (10_000, 1.0)]
)  # fmt: skip
def test_the_other_way_to_pq_has_the_published_values(cd_m2, signal):
    """SMPTE ST 2084, and BT.2408's table 1. By this way the test pictures are made."""
    assert signals.pq(cd_m2) == pytest.approx(signal, abs=0.0002)


@pytest.mark.parametrize(("cd_m2", "signal"), [(1000, 1.0), (203, 0.75), (0, 0.0)])
def test_the_other_way_to_hlg_has_the_published_values(cd_m2, signal):
    """BT.2408: white paper of 203 cd/m² is 75 % on a display of 1,000 cd/m²."""
    assert signals.hlg(np.full((1, 3), float(cd_m2)))[0] == pytest.approx([signal] * 3, abs=0.002)


@pytest.mark.parametrize(
    ("signal", "colour"),
    [
        (signals.in_pq, Cicp(9, 16)),
        (signals.in_hlg, Cicp(9, 18)),
        (signals.in_bt2020, Cicp(9, 13)),
        (signals.in_display_p3, Cicp(12, 13)),
        (signals.light, Cicp(1, 8)),
        (lambda srgb: signals.light(srgb) ** (1 / 2.2), Cicp(1, 4)),
        (lambda srgb: signals.light(srgb) ** (1 / 2.8), Cicp(1, 5)),
        (lambda srgb: signals.light(srgb) ** (1 / 1.8), Calibrated(1.8, SRGB_XY)),
        (signals.in_adobe_rgb, Calibrated(563 / 256, (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))),
    ],
)
def test_a_signal_becomes_the_srgb_that_it_was_made_of(signal, colour):
    """By curves and matrices that were written a second time, from the standards."""
    scene = scenes.gradient(40, 30)
    mean, most = colour_difference.between(drawn(signal(scene), colour), scene)
    assert mean < 0.4 and most < 1.0


@pytest.mark.parametrize("colour", [Cicp(1, 13), Cicp(1, 1), Cicp(2, 2), Cicp(1, 6), Cicp(99, 99)])
def test_srgb_and_what_is_taken_for_it_is_known_as_such(colour):
    """Nothing is to be done, then."""
    assert light.is_srgb(colour)


@pytest.mark.parametrize("colour", [Cicp(9, 13), Cicp(12, 13), Cicp(1, 16), Cicp(1, 18), Cicp(1, 8)])
def test_what_is_not_srgb_is_known_as_such(colour):
    """By its primaries or by its curve."""
    assert not light.is_srgb(colour)


@pytest.mark.parametrize("primaries", [1, 4, 5, 6, 7, 8, 9, 11, 12, 22])
@pytest.mark.parametrize("transfer", [4, 5, 8, 13, 16, 18])
def test_grey_stays_grey_and_grows_with_its_signal(primaries, transfer):
    """Whatever the white of a space is, it becomes sRGB's; and black stays black."""
    ramp = np.linspace(0, 1, 256)[None, :, None].repeat(3, 2)
    ours = drawn(ramp, Cicp(primaries, transfer)).astype(int)[0]
    assert np.ptp(ours, axis=1).max() <= 2
    assert (np.diff(ours[:, 1]) >= 0).all()
    assert ours[0].max() == 0 and ours[-1].min() >= 253


def test_light_that_is_no_brighter_than_paper_is_not_touched():
    """Most pictures of phones are that, even if their signal is HDR."""
    scene = signals.light(scenes.gradient(20, 20)).astype(np.float32)
    assert light.tone_map(scene) is scene


@given(arrays(np.float32, (4, 4, 3), elements=st.floats(0, 50, width=32)))
def test_tone_mapping_keeps_hues_and_order(scene):
    """All three colours are scaled alike; what was brighter is not darker; only glints are above white."""
    mapped = light.tone_map(scene)
    assert mapped.shape == scene.shape and np.isfinite(mapped).all() and (mapped >= 0).all()
    assert np.allclose(mapped[..., 0] * scene[..., 1], mapped[..., 1] * scene[..., 0], rtol=1e-3, atol=1e-3)
    order = np.argsort(scene.max(axis=2), axis=None)
    assert (np.diff(mapped.max(axis=2).ravel()[order]) >= -1e-4).all()


def test_the_sun_becomes_white_and_the_shade_stays():
    """A picture of 0.2 to 20 times the light of paper."""
    scene = np.geomspace(0.2, 20, 64, dtype=np.float32)[None, :, None].repeat(3, 2).repeat(64, 0)
    mapped = light.tone_map(scene)[0, :, 0]
    assert mapped[-1] == pytest.approx(1, abs=0.01)
    assert mapped[scene[0, :, 0] < 0.69] == pytest.approx(scene[0, :, 0][scene[0, :, 0] < 0.69])


@settings(max_examples=60, deadline=None)
@given(ANY_PIXELS, st.integers(0, 255), st.integers(0, 255))
def test_any_numbers_are_colours(pixels, primaries, transfer):
    """Files may contain any."""
    ours = light.to_srgb(pixels, Cicp(primaries, transfer))
    assert ours.shape == pixels.shape and ours.dtype == np.uint8


@settings(max_examples=60, deadline=None)
@given(ANY_PIXELS)
def test_8_and_16_bits_say_the_same(pixels):
    """255 is 65,535."""
    few, many = (light.to_srgb(each, Cicp(12, 13)) for each in (pixels, pixels.astype(np.uint16) * 257))
    assert np.abs(few.astype(int) - many).max() <= 1
