"""HEIC and AVIF files, written box by box around pictures that an encoder has compressed.

An encoder gives a file with one item. Its configuration and its bytes are taken out, and stand then in a file of our
own: alone, as one of many tiles, or as transparency, with whatever properties a test asks for.
"""

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pillow_heif
import pyvips
from numpy.typing import NDArray

from tests.builders import profiles, scenes
from tests.builders.scenes import Pixels

Property = tuple[bytes, bytes]
"""Kind and body of a box in `ipco`."""

_ALPHA = b"\0\0\0\0urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
# As libavif writes them: first the turn against the clock, in quarters, then the mirror (0: top and bottom change).
_TURNS: Mapping[int, tuple[int | None, int | None]] = {
    1: (None, None), 2: (None, 1), 3: (2, None), 4: (None, 0), 5: (1, 0), 6: (3, None), 7: (3, 0), 8: (1, None),
}  # fmt: skip


@dataclass(frozen=True)
class Coded:
    """One compressed picture; `configuration` is the box `hvcC` or `av1C`."""

    kind: bytes
    width: int
    height: int
    configuration: Property
    data: bytes
    bands: int = 3
    depth: int = 8


def hevc(pixels: NDArray[Any], **options: Any) -> Coded:
    """8 bits, or 10 for pixels of 16; of 2 dimensions they are monochrome. Options are those of pillow-heif."""
    mode, depth = ("RGB" if pixels.ndim == 3 else "L"), (8 if pixels.dtype == np.uint8 else 10)
    file, size = io.BytesIO(), (pixels.shape[1], pixels.shape[0])
    source = pillow_heif.from_bytes(
        mode if depth == 8 else ("RGB;16" if mode == "RGB" else "I;16"), size, np.ascontiguousarray(pixels).tobytes()
    )
    source.save(file, **{"quality": 95, "chroma": "444", **options})
    return _coded(b"hvc1", b"hvcC", file.getvalue(), pixels, depth)


def av1(pixels: NDArray[Any], **options: Any) -> Coded:
    """The same for AV1. 8 bits are encoded by Pillow (`range`, `subsampling`), 10 by libvips."""
    if pixels.dtype == np.uint8:
        file = io.BytesIO()
        subsampling = "4:4:4" if pixels.ndim == 3 else "4:0:0"
        scenes.image(pixels, "RGB" if pixels.ndim == 3 else "L").save(
            file, "AVIF", **{"quality": 95, "subsampling": subsampling, "speed": 8, **options}
        )
        return _coded(b"av01", b"av1C", file.getvalue(), pixels, 8)
    source = pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation="rgb16")
    ways = {"compression": "av1", "bitdepth": 10, "Q": 95, "subsample_mode": "off", "effort": 2, "keep": "none"}
    return _coded(b"av01", b"av1C", source.heifsave_buffer(**ways), pixels, 10)


def _coded(kind: bytes, configuration: bytes, data: bytes, pixels: NDArray[Any], depth: int) -> Coded:
    height, width = pixels.shape[:2]
    bands = 1 if pixels.ndim == 2 else 3
    return Coded(kind, width, height, (configuration, _body(data, configuration)), _body(data, b"mdat"), bands, depth)


def _body(data: bytes, kind: bytes) -> bytes:
    at = data.index(kind) - 4
    return data[at + 8 : at + int.from_bytes(data[at : at + 4])]


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, version: int, *bodies: bytes, flags: int = 0) -> bytes:
    return box(kind, bytes((version,)) + flags.to_bytes(3), *bodies)


def nclx(primaries: int, transfer: int, matrix: int = 6, is_full: bool = True) -> Property:
    return b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, matrix, 0x80 if is_full else 0)


def profile(icc: bytes) -> Property:
    return b"colr", b"prof" + icc


def turned(orientation: int) -> list[Property]:
    """How to make a picture upright that is stored with this EXIF orientation."""
    turn, mirror = _TURNS[orientation]
    boxes = [(b"irot", turn), (b"imir", mirror)]
    return [(kind, bytes((value,))) for kind, value in boxes if value is not None]


def cropped(width: int, height: int, right: int = 0, down: int = 0) -> Property:
    """Around the middle, moved by `right` and `down` pixels."""
    return b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, right, 1, down, 1)


def exif_item(exif: bytes, style: str = "plain") -> bytes:
    """With the offset of the TIFF header in front, and in some phones' files the marker of a JPEG's segment."""
    before = {"plain": b"", "exif": b"Exif\0\0", "marker": b"\xff\xe1\0\0Exif\0\0"}[style]
    return struct.pack(">I", len(before)) + before + exif


def file(
    tiles: Sequence[Coded],
    columns: int = 1,
    size: tuple[int, int] | None = None,
    properties: Sequence[Property] = (),
    alpha: Coded | None = None,
    exif: bytes = b"",
    brand: bytes = b"",
    is_grid: bool = False,
) -> bytes:
    """One tile is the picture itself, unless `is_grid`; several are a grid of `columns`, cropped to `size`."""
    primary = Item(tiles[0].kind, tiles[0].data, [*_described(tiles[0]), *properties])
    items = [primary]
    if len(tiles) > 1 or is_grid:
        rows = len(tiles) // columns
        width, height = size or (columns * tiles[0].width, rows * tiles[0].height)
        body = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
        shown = [_size(width, height), _pixels(tiles[0]), *properties]
        parts = [Item(tile.kind, tile.data, _described(tile)) for tile in tiles]
        numbers = list(range(2, 2 + len(parts)))
        items = [Item(b"grid", body, shown, [(b"dimg", numbers)]), *parts]
    if alpha is not None:
        items.append(Item(alpha.kind, alpha.data, [*_described(alpha), (b"auxC", _ALPHA)], [(b"auxl", [1])]))
    if exif:
        items.append(Item(b"Exif", exif, [], [(b"cdsc", [1])]))
    brand = brand or (b"heic" if tiles[0].kind == b"hvc1" else b"avif")
    return container(items, brand)


@dataclass(frozen=True)
class Item:
    kind: bytes
    data: bytes
    properties: Sequence[Property]
    references: Sequence[tuple[bytes, Sequence[int]]] = ()


item = Item


def container(items: Sequence[Item], brand: bytes = b"heic", extents: Sequence[tuple[int, int]] | None = None) -> bytes:
    """The items are numbered from 1, which is the primary one. `extents` replaces the places of all their bytes."""
    start = box(b"ftyp", brand, bytes(4), brand, b"mif1", b"miaf")
    length = len(start) + len(_meta(items, [(0, 0)] * len(items))) + 8
    places = []
    for each in items:
        places.append((length, len(each.data)))
        length += len(each.data)
    return start + _meta(items, extents or places) + box(b"mdat", *(each.data for each in items))


def _meta(items: Sequence[Item], places: Sequence[tuple[int, int]]) -> bytes:
    boxes = list(dict.fromkeys(each for item_ in items for each in item_.properties))
    entries = [
        full_box(b"infe", 2, struct.pack(">HH4s", number, 0, each.kind), b"\0", flags=int(number > 1))
        for number, each in enumerate(items, 1)
    ]
    references = [
        box(kind, struct.pack(f">HH{len(to)}H", number, len(to), *to))
        for number, each in enumerate(items, 1)
        for kind, to in each.references
    ]
    used = b"".join(
        struct.pack(">HB", number, len(each.properties))
        + struct.pack(f">{len(each.properties)}H", *(boxes.index(one) + 1 for one in each.properties))
        for number, each in enumerate(items, 1)
    )
    located = b"".join(struct.pack(">HHHII", number, 0, 1, *place) for number, place in enumerate(places, 1))
    return full_box(
        b"meta", 0,
        full_box(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
        full_box(b"pitm", 0, struct.pack(">H", 1)),
        full_box(b"iinf", 0, struct.pack(">H", len(items)), *entries),
        full_box(b"iref", 0, *references) if references else b"",
        box(b"iprp", box(b"ipco", *(box(*each) for each in boxes)),
            full_box(b"ipma", 0, struct.pack(">I", len(items)), used, flags=1)),
        full_box(b"iloc", 0, b"\x44\0", struct.pack(">H", len(items)), located),
    )  # fmt: skip


def _described(coded: Coded) -> list[Property]:
    return [coded.configuration, _size(coded.width, coded.height), _pixels(coded)]


def _size(width: int, height: int) -> Property:
    return b"ispe", struct.pack(">III", 0, width, height)


def _pixels(coded: Coded) -> Property:
    return b"pixi", bytes((0, 0, 0, 0, coded.bands, *[coded.depth] * coded.bands))


def grid_of(pixels: NDArray[Any], side: int, encode: Any, **options: Any) -> bytes:
    """A picture in square tiles, which reach over its right and lower edge as far as they must."""
    height, width = pixels.shape[:2]
    columns, rows = -(-width // side), -(-height // side)
    padding = [(0, rows * side - height), (0, columns * side - width)] + [(0, 0)] * (pixels.ndim - 2)
    wide = np.pad(pixels, padding, mode="edge")
    tiles = [
        encode(np.ascontiguousarray(wide[y : y + side, x : x + side]))
        for y in range(0, rows * side, side)
        for x in range(0, columns * side, side)
    ]
    return file(tiles, columns, (width, height), is_grid=True, **options)


def starts(data: bytes) -> list[int]:
    """Where each box begins, to any depth, and the end of the file."""
    return sorted({*_starts(data, 0, len(data)), len(data)})


def _starts(data: bytes, position: int, end: int) -> list[int]:
    inside = {b"meta": 4, b"iinf": 6, b"iref": 4, b"iprp": 0, b"ipco": 0}
    found = []
    while position + 8 <= end:
        size, kind = struct.unpack(">I4s", data[position : position + 8])
        found += [position, position + 8]
        if kind in inside:
            found += _starts(data, position + 8 + inside[kind], position + size)
        position += max(8, size)
    return found


def deep(pixels: Pixels) -> NDArray[np.uint16]:
    return pixels.astype(np.uint16) * 257


def kinds(pixels: Pixels, encode: Any = hevc) -> dict[str, bytes]:
    """The same picture in every kind of HEIC, or of AVIF with `encode=av1`. Its sides are multiples of 64."""
    grey, height, width = pixels.mean(axis=2).astype(np.uint8), *pixels.shape[:2]
    alpha = np.linspace(0, 255, width).astype(np.uint8)[None].repeat(height, 0)
    alone = encode(pixels)
    return {
        "one item": file([alone]),
        "srgb by nclx": file([alone], properties=[nclx(1, 13)]),
        "srgb by profile": file([alone], properties=[profile(profiles.srgb())]),
        "grid": grid_of(pixels, 64, encode),
        "10 bits": file([encode(deep(pixels))]),
        "monochrome": file([encode(grey)]),
        "alpha": file([alone], alpha=encode(alpha)),
        **{f"brand {brand.decode()}": file([alone], brand=brand) for brand in (b"mif1", b"mif3", b"miaf")},
    }
