"""Colour arithmetic: from the numbers of a picture to light, from its primaries to sRGB's, from HDR to SDR.

Arrays are height × width × 3. Light is linear, and 1 is the white of a sheet of paper: of sRGB's maximum, and of the
203 cd/m² that HDR pictures give it (ITU-R BT.2408). Pure.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from processing.formats.facts import Calibrated, Cicp

Floats = NDArray[np.float32]
_Curve = Callable[[Floats], Floats]

PQ, HLG = 16, 18
WHITE_CD_M2 = 203.0
_HLG_PEAK_CD_M2 = 1000.0
_HLG_GAMMA = 1.2
_KNEE = 0.7
# The share of pixels that may be brighter than what becomes white: sparks and glints.
_GLINTS = 0.0005

_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PAL, _NTSC = (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06), (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
_PRIMARIES: Mapping[int, tuple[float, ...]] = {
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: _PAL,
    6: _NTSC,
    7: _NTSC,
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
"""Chromaticities by their number in ITU-T H.273, table 2: white, red, green, blue. All others count as sRGB's."""

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""To the responses of an eye's three receptors, in which one white is adapted to another."""


def is_srgb(colour: Cicp) -> bool:
    """Whether the numbers mean what they mean in sRGB.

    The curves of television (BT.709 and its like) are those of cameras, and what displays do with them is nearer to
    sRGB's curve; browsers take them for that, too.
    """
    return colour.primaries not in _PRIMARIES and colour.transfer not in _CURVES


def to_srgb(pixels: NDArray[np.uint8] | NDArray[np.uint16], colour: Cicp | Calibrated) -> NDArray[np.uint8]:
    """`pixels` are height × width × 3, of 8 or 16 bits."""
    most = np.iinfo(pixels.dtype).max
    signals = np.arange(most + 1, dtype=np.float32) / np.float32(most)
    if isinstance(colour, Calibrated):
        light = (signals**colour.gamma).astype(np.float32)[pixels]
        return _encode(light @ _to_srgb_matrix(colour.chromaticities))
    light = _CURVES.get(colour.transfer, _from_srgb)(signals)[pixels]
    if colour.transfer == HLG:
        light = _displayed(light)
    if colour.transfer in (PQ, HLG):
        light = tone_map(light)
    return _encode(light @ _to_srgb_matrix(_PRIMARIES.get(colour.primaries, _SRGB)))


def tone_map(light: Floats) -> Floats:
    """Light from 0 to any brightness becomes light from 0 to 1.

    All three colours are scaled by one factor, so that hues stay. What is darker than the knee stays as it is; above,
    the picture's own peak becomes white, along the curve of Reinhard et al., "Photographic Tone Reproduction for
    Digital Images" (2002). A picture that is no brighter than white stays as it is.
    """
    brightest = light.max(axis=2)
    peak = float(np.quantile(brightest[::2, ::2], 1 - _GLINTS))
    if peak <= 1:
        return light
    above, peak_above = (brightest - _KNEE) / (1 - _KNEE), (peak - _KNEE) / (1 - _KNEE)
    mapped = _KNEE + (1 - _KNEE) * above * (1 + above / peak_above**2) / (1 + above)
    scale = np.where(above > 0, mapped / np.maximum(brightest, _KNEE), 1)
    scaled: Floats = (light * scale[:, :, None]).astype(np.float32)
    return scaled


def _displayed(scene: Floats) -> Floats:
    """What a display of 1,000 cd/m² shows of a scene in HLG (BT.2100: the opto-optical transfer function)."""
    luminance = np.maximum(scene @ np.array([0.2627, 0.6780, 0.0593], np.float32), 1e-6)
    factor = luminance ** (_HLG_GAMMA - 1) * (_HLG_PEAK_CD_M2 / WHITE_CD_M2)
    displayed: Floats = (scene * factor[:, :, None]).astype(np.float32)
    return displayed


def _encode(light: Floats) -> NDArray[np.uint8]:
    """With sRGB's curve. The table's steps are a fifth of a level where the curve is steepest."""
    steps = 16_383
    linear = np.arange(steps + 1) / steps
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    table = np.round(curve * 255).astype(np.uint8)
    return table[(light.clip(0, 1) * steps + 0.5).astype(np.uint16)]


def _to_srgb_matrix(chromaticities: tuple[float, ...]) -> Floats:
    """For a row of red, green and blue light on its left."""
    source, target = _to_xyz(chromaticities), _to_xyz(_SRGB)
    from_white, to_white = _BRADFORD @ source.sum(axis=1), _BRADFORD @ target.sum(axis=1)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(to_white / from_white) @ _BRADFORD
    matrix: Floats = (np.linalg.inv(target) @ adapted @ source).T.astype(np.float32)
    return matrix


def _to_xyz(chromaticities: tuple[float, ...]) -> NDArray[np.float64]:
    """Columns are the XYZ of full red, green and blue (SMPTE RP 177)."""
    white, *colours = (
        (x / y, 1.0, (1 - x - y) / y) for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True)
    )
    columns = np.array(colours).T
    return columns * np.linalg.solve(columns, np.array(white))


def _from_srgb(signals: Floats) -> Floats:
    return np.where(signals <= 0.04045, signals / 12.92, ((signals + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _from_pq(signals: Floats) -> Floats:
    """SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = signals.astype(np.float64) ** (1 / m2)
    cd_m2 = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return (cd_m2 / WHITE_CD_M2).astype(np.float32)


def _from_hlg(signals: Floats) -> Floats:
    """BT.2100; light of the scene, up to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signals <= 0.5, signals**2 / 3, (np.exp((signals - c) / a) + b) / 12).astype(np.float32)


_CURVES: Mapping[int, _Curve] = {
    4: lambda signals: signals ** np.float32(2.2),
    5: lambda signals: signals ** np.float32(2.8),
    8: lambda signals: signals,
    PQ: _from_pq,
    17: lambda signals: (signals ** np.float32(2.6)) * np.float32(52.37 / 48),
    HLG: _from_hlg,
}
"""Curves by their number in ITU-T H.273, table 3. All others count as sRGB's."""
