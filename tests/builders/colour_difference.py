"""How far apart two pictures are: by colour as people see it (CIE ΔE2000), and by structure (SSIM)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
"""IEC 61966-2-1."""


def to_lab(srgb: NDArray[np.generic]) -> Floats:
    """Of sRGB from 0 to 255, with the white of D65."""
    signal = np.asarray(srgb, np.float64) / 255
    light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    xyz = light @ _TO_XYZ.T / _TO_XYZ.sum(axis=1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e(one: Floats, other: Floats) -> Floats:
    """CIEDE2000 of L*a*b* (Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference Formula", 2005)."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1 * stretch)) % 360, np.degrees(np.arctan2(b2, a2 * stretch)) % 360
    is_grey = c1 * c2 == 0
    turn = np.where(is_grey, 0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where(~is_grey & (h2 - h1 == 180), 180, turn)
    delta_l, delta_c, delta_h = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lightness, chroma, hue = (l1 + l2) / 2, (c1 + c2) / 2, _mean_hue(h1, h2, is_grey)
    wave = 1 - 0.17 * _cos(hue - 30) + 0.24 * _cos(2 * hue) + 0.32 * _cos(3 * hue + 6) - 0.20 * _cos(4 * hue - 63)
    weight_l = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    weight_c, weight_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * wave
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    rotation = rotation * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    l_part, c_part, h_part = delta_l / weight_l, delta_c / weight_c, delta_h / weight_h
    squares: Floats = l_part**2 + c_part**2 + h_part**2 + rotation * c_part * h_part
    return np.sqrt(np.maximum(squares, 0))


def _mean_hue(h1: Floats, h2: Floats, is_grey: NDArray[np.bool_]) -> Floats:
    total = h1 + h2
    far = np.where(total < 360, (total + 360) / 2, (total - 360) / 2)
    return np.where(is_grey, total, np.where(np.abs(h1 - h2) <= 180, total / 2, far))


def _cos(degrees: Floats) -> Floats:
    return np.asarray(np.cos(np.radians(degrees)))


def between(one: NDArray[np.generic], other: NDArray[np.generic]) -> tuple[float, float]:
    """The mean and the 95th percentile of ΔE2000 of two sRGB pictures."""
    apart = delta_e(to_lab(one), to_lab(other))
    return float(apart.mean()), float(np.quantile(apart, 0.95))


def ssim(one: NDArray[np.generic], other: NDArray[np.generic], window: int = 8) -> float:
    """Of the luma, in windows of 8 × 8 that do not overlap (Wang et al., 2004); 1 is the same picture."""
    weights = np.array([0.299, 0.587, 0.114])
    x, y = (_windows(np.asarray(each, np.float64) @ weights, window) for each in (one, other))
    mean_x, mean_y = x.mean(axis=1), y.mean(axis=1)
    covariance = ((x - mean_x[:, None]) * (y - mean_y[:, None])).mean(axis=1)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((similar / ((mean_x**2 + mean_y**2 + c1) * (x.var(axis=1) + y.var(axis=1) + c2))).mean())


def _windows(luma: Floats, side: int) -> Floats:
    """A row for each window. A side that is shorter than one is a window of its own length."""
    down, across = min(side, luma.shape[0]), min(side, luma.shape[1])
    rows, columns = luma.shape[0] // down, luma.shape[1] // across
    cropped = luma[: rows * down, : columns * across].reshape(rows, down, columns, across)
    return cropped.swapaxes(1, 2).reshape(rows * columns, down * across)
