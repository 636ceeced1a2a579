"""A small file of every kind that Darkroom reads, all made in code; and where the parts of each begin.

What a file shows comes from `scenes`; the modules `jpegs`, `pngs`, `webs`, `tag_files`, `bmps` and `heifs` write it.
"""

import io
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import render, scale
from tests.builders import bmps, colour_difference, heifs, jpegs, pngs, scenes, tag_files, webs
from tests.builders.scenes import Pixels


@cache
def whole_files() -> Mapping[str, bytes]:
    """By name, such as "JPEG progressive". All show a gradient of 67 × 45 pixels, or of 128 × 64 in HEIC and AVIF."""
    pixels, tiled = scenes.gradient(67, 45), scenes.gradient(128, 64)
    families: Mapping[str, Mapping[str, bytes]] = {
        "JPEG": jpegs.kinds(pixels),
        "PNG": pngs.kinds(pixels),
        "WebP": webs.webp_kinds(pixels),
        "GIF": webs.gif_kinds(pixels),
        "TIFF": tiff_kinds(pixels),
        "BMP": bmps.kinds(pixels),
        "HEIC": heifs.kinds(tiled, heifs.hevc),
        "AVIF": heifs.kinds(tiled, heifs.av1),
    }
    return {f"{family} {kind}": data for family, kinds in families.items() for kind, data in kinds.items()}


def tiff_kinds(pixels: Pixels) -> dict[str, bytes]:
    """The same picture in every kind of TIFF; grey ones, inks and black-and-white show what they can of it."""
    grey, deep = pixels.mean(axis=2).astype(np.uint8)[:, :, None], heifs.deep(pixels)
    image = scenes.image(pixels)
    second = io.BytesIO()
    image.save(second, "TIFF", save_all=True, append_images=[image.rotate(180)])
    return {
        "strips": tag_files.tiff(pixels),
        "big-endian": tag_files.tiff(pixels, order=">"),
        "white is zero": tag_files.tiff(255 - grey, 0),
        "16 bits": tag_files.tiff(deep),
        "16 bits big-endian": tag_files.tiff(deep, order=">"),
        "grey 16 bits": tag_files.tiff(deep.mean(axis=2, dtype=np.float64).astype(np.uint16)[:, :, None], 1),
        "floats": tag_files.tiff((pixels / np.float32(255)).astype(np.float32)),
        "black and white": tag_files.pillow_tiff(image.convert("1")),
        "palette": tag_files.pillow_tiff(image.quantize(64)),
        "lzw": tag_files.compressed_tiff(pixels, "lzw"),
        "deflate": tag_files.compressed_tiff(pixels, "deflate", predictor="horizontal"),
        "packbits": tag_files.compressed_tiff(pixels, "packbits"),
        "jpeg": tag_files.compressed_tiff(pixels, "jpeg", Q=92),
        "tiles": tag_files.compressed_tiff(pixels, "lzw", tile=True, tile_width=32, tile_height=32),
        "inks": tag_files.pillow_tiff(image.convert("CMYK")),
        "lab": tag_files.tiff(colour_difference.to_lab(pixels).astype(np.float32), 8),
        "several pages": second.getvalue(),
        "alpha": tag_files.tiff(np.dstack([pixels, np.full_like(grey, 128)]), t338=2),
    }


_STARTS: Mapping[str, Callable[[bytes], list[int]]] = {
    "JPEG": jpegs.starts,
    "PNG": pngs.starts,
    "WebP": webs.riff_starts,
    "GIF": webs.gif_starts,
    "HEIC": heifs.starts,
    "AVIF": heifs.starts,
}


def starts(name: str, data: bytes) -> list[int]:
    """Where each marker, chunk, block or box begins. TIFF and BMP have none: there, every tenth of the file."""
    find = _STARTS.get(name.partition(" ")[0])
    return find(data) if find else [len(data) * tenth // 10 for tenth in range(11)]


def master_pixels(data: bytes) -> Pixels:
    """What we make of a file before it is compressed again. Raises InvalidImage."""
    pixels: Pixels = np.asarray(decode(read_header(data)).picture)
    return pixels


def variants(data: bytes) -> dict[int, bytes]:
    return {rendering.size: rendering.data for rendering in render(scale(decode(read_header(data))))}
