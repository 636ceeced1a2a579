"""sRGB colours as numbers in other spaces: the way there, by published matrices and curves; our code goes back.

ITU-R BT.2087 (BT.709 to BT.2020), SMPTE EG 432-1 (Display P3), Adobe RGB (1998), SMPTE ST 2084 (PQ),
ITU-R BT.2100 (HLG), with a white of paper of 203 cd/m² (ITU-R BT.2408).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
TO_ADOBE = np.array([[0.71519, 0.28481, 0.0], [0.0, 1.0, 0.0], [0.0, 0.04117, 0.95883]])
P3_XY = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
# The XYZ of full red, green and blue, as BMPs state them.
P3_XYZ = ((0.4866, 0.2290, 0.0000), (0.2657, 0.6917, 0.0451), (0.1982, 0.0793, 1.0439))
PAPER_CD_M2, HLG_PEAK_CD_M2 = 203.0, 1000.0


def light(srgb: NDArray[np.generic]) -> Floats:
    """From 0 to 1."""
    signal = np.asarray(srgb, np.float64) / 255
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def srgb_curve(linear: Floats) -> Floats:
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def pq(cd_m2: Floats | float) -> Floats:
    power = (np.asarray(cd_m2, np.float64).clip(0) / 10_000) ** (2610 / 16384)
    return np.asarray(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def hlg(cd_m2: Floats) -> Floats:
    """Of the light of a display of 1,000 cd/m² in BT.2020, whose system gamma is 1.2."""
    shown = np.asarray(cd_m2, np.float64) / HLG_PEAK_CD_M2
    luminance = np.maximum(shown @ np.array([0.2627, 0.6780, 0.0593]), 1e-9)
    scene = shown * luminance[..., None] ** ((1 - 1.2) / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def in_display_p3(srgb: NDArray[np.generic]) -> Floats:
    return srgb_curve(light(srgb) @ TO_P3.T)


def in_adobe_rgb(srgb: NDArray[np.generic]) -> Floats:
    return np.asarray((light(srgb) @ TO_ADOBE.T).clip(0, 1) ** (256 / 563))


def in_pq(srgb: NDArray[np.generic]) -> Floats:
    return pq(light(srgb) @ TO_BT2020.T * PAPER_CD_M2)


def in_hlg(srgb: NDArray[np.generic]) -> Floats:
    return hlg(light(srgb) @ TO_BT2020.T * PAPER_CD_M2)


def in_bt2020(srgb: NDArray[np.generic]) -> Floats:
    """With sRGB's curve."""
    return srgb_curve(light(srgb) @ TO_BT2020.T)


def eight_bits(signal: Floats) -> NDArray[np.uint8]:
    return np.round(signal.clip(0, 1) * 255).astype(np.uint8)


def sixteen_bits(signal: Floats) -> NDArray[np.uint16]:
    return np.round(signal.clip(0, 1) * 65_535).astype(np.uint16)
