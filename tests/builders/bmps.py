"""BMPs with each of Windows' headers."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.builders import pngs, scenes
from tests.builders.scenes import Pixels

_SRGB_SPACE, _EMBEDDED = 0x73524742, 0x4D424544


def bmp(pixels: Pixels, header: int = 40, is_top_down: bool = False, **extra: Any) -> bytes:
    """24 bits. `header` is its length: 12, 40, 108 (V4) or 124 (V5); see `_header` for `extra`."""
    height, width = pixels.shape[:2]
    rows = _padded(pixels[:, :, ::-1].reshape(height, width * 3))
    return _file(_header(header, width, height, 24, 0, is_top_down, **extra), _stacked(rows, is_top_down), **extra)


def deep(pixels: NDArray[Any], bits: int, masks: tuple[int, ...], header: int = 40, **extra: Any) -> bytes:
    """16 or 32 bits with bit fields; `pixels` have four bands if there are four masks."""
    height, width = pixels.shape[:2]
    packed = np.zeros((height, width), np.uint32)
    for band, mask in enumerate(masks):
        shift, most = (mask & -mask).bit_length() - 1, mask >> ((mask & -mask).bit_length() - 1)
        packed |= np.round(pixels[:, :, band] / 255 * most).astype(np.uint32) << shift
    rows = _padded(packed.astype("<u2" if bits == 16 else "<u4").view(np.uint8).reshape(height, -1))
    fields = struct.pack(f"<{len(masks)}I", *masks)
    start = _header(header, width, height, bits, 3, False, masks=masks, **extra)
    return _file(start, _stacked(rows, False), table=fields if header == 40 else b"", **extra)


def indexed(pixels: Pixels, is_run_length: bool = False) -> bytes:
    """8 bits, with a palette of 64 colours."""
    height, width = pixels.shape[:2]
    colours, indexes = pngs.few_colours(pixels)
    table = b"".join(bytes((int(b), int(g), int(r), 0)) for r, g, b in colours)
    rows = run_lengths(indexes) if is_run_length else _stacked(_padded(indexes), False)
    return _file(_header(40, width, height, 8, int(is_run_length), False, colours=len(colours)), rows, table=table)


def run_lengths(indexes: Pixels) -> bytes:
    """RLE8: pairs of a count and an index, from the bottom row up."""
    rows = []
    for row in indexes[::-1]:
        ends = [*(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
        pairs, start = b"", 0
        for end in ends:
            for at in range(start, end, 255):
                pairs += bytes((min(255, end - at), int(row[at])))
            start = end
        rows.append(pairs + b"\0\0")
    return b"".join(rows) + b"\0\1"


def kinds(pixels: Pixels) -> dict[str, bytes]:
    alpha = np.full_like(pixels[:, :, :1], 255)
    alpha[:, : pixels.shape[1] // 2] = 128
    return {
        "core": bmp(pixels, 12),
        "info": bmp(pixels),
        "top-down": bmp(pixels, is_top_down=True),
        "v4": bmp(pixels, 108, space=_SRGB_SPACE),
        "v5": bmp(pixels, 124, space=_SRGB_SPACE),
        "palette": indexed(pixels),
        "run lengths": indexed(pixels, is_run_length=True),
        "16 bits 5-6-5": deep(pixels, 16, (0xF800, 0x07E0, 0x001F)),
        "32 bits": deep(pixels, 32, (0xFF0000, 0xFF00, 0xFF)),
        "alpha": deep(np.dstack([pixels, alpha]), 32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 124),
    }


def calibrated(pixels: Pixels, xyz: tuple[tuple[float, ...], ...], gamma: float) -> bytes:
    """V4: the XYZ of full red, green and blue, and one exponent for all three."""
    return bmp(pixels, 108, space=0, xyz=[value for colour in xyz for value in colour], gamma=gamma)


def with_profile(pixels: Pixels, icc: bytes) -> bytes:
    """V5, with the profile behind the pixels."""
    return bmp(pixels, 124, space=_EMBEDDED, icc=icc)


def small() -> bytes:
    return bmp(scenes.gradient(13, 9))


def _header(
    length: int, width: int, height: int, bits: int, compression: int, is_top_down: bool, **extra: Any
) -> bytes:
    """`space`, `xyz`, `gamma` and `masks` stand in V4 and V5, and `icc` in V5 alone."""
    if length == 12:
        return struct.pack("<IHHHH", 12, width, height, 1, bits)
    row_bytes = (width * bits + 31) // 32 * 4
    rows, sizes = (-height if is_top_down else height), (0 if compression == 1 else row_bytes * height, 2835, 2835)
    start = struct.pack("<IiiHHI", length, width, rows, 1, bits, compression)
    start += struct.pack("<IiiII", *sizes, extra.get("colours", 0), 0)
    masks = (*extra.get("masks", ()), 0, 0, 0, 0)[:4]
    ends = [round(value * (1 << 30)) for value in extra.get("xyz", [0] * 9)]
    start += struct.pack("<4II9I3I", *masks, extra.get("space", _SRGB_SPACE), *ends,
                         *[round(extra.get("gamma", 0) * 65_536)] * 3)  # fmt: skip
    profile = (length + row_bytes * height, len(extra["icc"])) if "icc" in extra else (0, 0)
    return (start + struct.pack("<IIII", 4, *profile, 0))[:length]


def _file(header: bytes, rows: bytes, table: bytes = b"", icc: bytes = b"", **_: Any) -> bytes:
    pixels_at = 14 + len(header) + len(table)
    return struct.pack("<2sIII", b"BM", pixels_at + len(rows) + len(icc), 0, pixels_at) + header + table + rows + icc


def _padded(rows: Pixels) -> Pixels:
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))


def _stacked(rows: Pixels, is_top_down: bool) -> bytes:
    return (rows if is_top_down else rows[::-1]).tobytes()
