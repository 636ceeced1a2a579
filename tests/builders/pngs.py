"""PNGs of every depth and kind, written chunk by chunk."""

import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.builders.scenes import Pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
_BANDS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
_PASSES = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
"""Adam7: first row, step, first column, step."""


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    samples: NDArray[Any],
    kind: int = RGB,
    depth: int = 8,
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
    is_interlaced: bool = False,
) -> bytes:
    """`samples` are height × width × bands (or height × width); `before` and `after` are chunks around the pixels."""
    height, width = samples.shape[:2]
    samples = samples.reshape(height, width, _BANDS[kind])
    if is_interlaced:
        pictures = [samples[row::down, column::across] for row, down, column, across in _PASSES]
    else:
        pictures = [samples]
    rows = b"".join(_rows(picture, depth) for picture in pictures if picture.size)
    return whole(header(width, height, kind, depth, is_interlaced), *before, *data(rows), *after)


def header(width: int, height: int, kind: int = RGB, depth: int = 8, is_interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, is_interlaced))


def data(rows: bytes, most: int = 4096) -> list[bytes]:
    """The compressed rows, in chunks of at most `most` bytes."""
    compressed = zlib.compress(rows)
    return [chunk(b"IDAT", compressed[at : at + most]) for at in range(0, len(compressed), most)]


def whole(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND", b"")


def starts(png_data: bytes) -> list[int]:
    """Where each chunk, its body and its checksum begin, and the end of the file."""
    found, position = [0], len(SIGNATURE)
    while position < len(png_data):
        end = position + 12 + int.from_bytes(png_data[position : position + 4])
        found += [position, position + 8, end - 4]
        position = end
    return [*found, len(png_data)]


def with_chunk(png_data: bytes, new: bytes, name: bytes = b"IDAT") -> bytes:
    """Before the first chunk called `name`."""
    at = png_data.index(name) - 4
    return png_data[:at] + new + png_data[at:]


def gamma(value: float) -> bytes:
    """`value` is the exponent from numbers to light: 2.2 for most displays."""
    return chunk(b"gAMA", struct.pack(">I", round(100_000 / value)))


def chromaticities(*xy: float) -> bytes:
    """White, red, green, blue."""
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in xy)))


def srgb() -> bytes:
    return chunk(b"sRGB", b"\0")


def profile(icc: bytes) -> bytes:
    return chunk(b"iCCP", b"made\0\0" + zlib.compress(icc))


def code_points(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes((primaries, transfer, 0, 1)))


def palette(colours: Pixels, alphas: bytes = b"") -> list[bytes]:
    chunks = [chunk(b"PLTE", colours.astype(np.uint8).tobytes())]
    return [*chunks, chunk(b"tRNS", alphas)] if alphas else chunks


def animated(frames: list[NDArray[Any]]) -> bytes:
    """An APNG, whose first frame is the picture."""
    height, width = frames[0].shape[:2]
    number, chunks = 0, [header(width, height), chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    for frame in frames:
        place = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, 10, 0, 0)
        chunks.append(chunk(b"fcTL", place))
        number += 1
        compressed = zlib.compress(_rows(frame, 8))
        is_first = frame is frames[0]
        body = compressed if is_first else struct.pack(">I", number) + compressed
        chunks.append(chunk(b"IDAT" if is_first else b"fdAT", body))
        number += 0 if is_first else 1
    return whole(*chunks)


def kinds(pixels: Pixels) -> dict[str, bytes]:
    """The same picture in every kind of PNG; those of few levels show what they can of it."""
    height, width = pixels.shape[:2]
    grey = pixels.mean(axis=2).astype(np.uint8)
    alpha = np.linspace(0, 255, width).astype(np.uint8)[None, :].repeat(height, 0)
    colours, indexes = few_colours(pixels)
    return {
        "rgb 8": png(pixels),
        "rgb 16": png(pixels.astype(np.uint16) * 257, depth=16),
        "rgba 8": png(np.dstack([pixels, alpha]), RGBA),
        "rgba 16": png(np.dstack([pixels, alpha]).astype(np.uint16) * 257, RGBA, 16),
        "grey 1": png(grey >> 7, GREY, 1),
        "grey 2": png(grey >> 6, GREY, 2),
        "grey 4": png(grey >> 4, GREY, 4),
        "grey 8": png(grey, GREY),
        "grey 16": png(grey.astype(np.uint16) * 257, GREY, 16),
        "grey and alpha 8": png(np.dstack([grey, alpha]), GREY_ALPHA),
        "grey and alpha 16": png(np.dstack([grey, alpha]).astype(np.uint16) * 257, GREY_ALPHA, 16),
        "palette 1": png(indexes % 2, PALETTE, 1, palette(colours[:2])),
        "palette 4": png(indexes % 16, PALETTE, 4, palette(colours[:16])),
        "palette 8": png(indexes, PALETTE, 8, palette(colours)),
        "palette and transparency": png(indexes, PALETTE, 8, palette(colours, bytes(range(0, 256, 8)))),
        "transparent colour": png(pixels, before=[chunk(b"tRNS", struct.pack(">HHH", *map(int, pixels[0, 0])))]),
        "interlaced": png(pixels, is_interlaced=True),
        "interlaced 1": png(grey >> 7, GREY, 1, is_interlaced=True),
        "animated": animated([pixels, pixels[::-1]]),
    }


def few_colours(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """64 colours, four levels of each, and for each pixel the number of its colour."""
    levels = (pixels.astype(np.uint16) * 4 // 256).astype(np.uint8)
    indexes = levels[:, :, 0] * 16 + levels[:, :, 1] * 4 + levels[:, :, 2]
    colours = np.array([(r * 85, g * 85, b * 85) for r in range(4) for g in range(4) for b in range(4)], np.uint8)
    return colours, indexes.astype(np.uint8)


def _rows(samples: NDArray[Any], depth: int) -> bytes:
    """Each behind the number of its filter, which is none."""
    height = samples.shape[0]
    if depth == 16:
        packed = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        packed = samples.astype(np.uint8).reshape(height, -1)
    else:
        bits = (samples.reshape(height, -1, 1) >> np.arange(depth)[::-1]) & 1
        packed = np.packbits(bits.astype(np.uint8).reshape(height, -1), axis=1)
    return np.concatenate([np.zeros((height, 1), np.uint8), packed], axis=1).tobytes()
