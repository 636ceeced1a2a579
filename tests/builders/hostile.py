"""Files that are meant to break a reader: bombs, lies, loops, and what is no picture at all.

Each comes with the codes that are true of it: `ready` where the picture is whole, and only its metadata are a bomb.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tests.builders import bmps, heifs, jpegs, pngs, scenes, tag_files, webs
from tests.builders.tag_files import Entry

_SIDE = 64
_LONG = Entry(tag_files.LONG, 0xFFFF_FFFF, 8)


class Hostile(NamedTuple):
    data: bytes
    codes: set[str]


def _many_pixels() -> dict[str, Hostile]:
    """Headers that promise far more than the file has."""
    pixels, liar = scenes.gradient(8, 8), {256: 60_000, 257: 3_000}
    zeros = pngs.whole(pngs.header(10_000, 10_000, pngs.GREY), *pngs.data(bytes(10_001) * 10_000, 1 << 20))
    empty = pngs.whole(pngs.header(20_000, 10_000, pngs.RGBA, 16), *pngs.data(bytes(10_000)))
    canvas = (b"VP8X", bytes(4) + (15_999).to_bytes(3, "little") + (12_999).to_bytes(3, "little"))
    run_length = bmps.indexed(pixels, is_run_length=True)
    return {
        "PNG of 100 megapixels of zeros": Hostile(zeros, {"ready"}),
        "PNG of 200 megapixels without rows": Hostile(empty, {"damaged", "truncated"}),
        "GIF of 65,535 px a side": Hostile(_gif_of_one_code(65_535, 65_535), {"too-many-pixels"}),
        "GIF of 196 megapixels in one code": Hostile(_gif_of_one_code(14_000, 14_000), {"truncated"}),
        "WebP whose canvas is not its picture's": Hostile(
            webs.riff(canvas, *webs.riff_chunks(webs.webp(pixels))), {"damaged"}
        ),
        "BMP that claims 180 megapixels": Hostile(_with_size(bmps.bmp(pixels), 60_000, 3_000), {"truncated"}),
        "BMP of run lengths that claims them": Hostile(_with_size(run_length, 60_000, 3_000), {"damaged", "truncated"}),
        "TIFF that claims 180 megapixels": Hostile(
            tag_files.directories({**tag_files.picture_tags(pixels, 2), **liar}), {"damaged", "truncated"}
        ),
        "65,535 px wide, as far as a JPEG goes": Hostile(pngs.png(scenes.gradient(65_535, 1)), {"ready"}),
        "65,536 px wide": Hostile(pngs.png(scenes.gradient(65_536, 1)), {"too-many-pixels"}),
        "PNG without width": Hostile(pngs.whole(pngs.header(0, 9), *pngs.data(b"")), {"damaged"}),
    }


def _gif_of_one_code(width: int, height: int) -> bytes:
    screen, place = struct.pack("<HHBBB", width, height, 0x80, 0, 0), struct.pack("<HHHHB", 0, 0, width, height, 0)
    return b"GIF89a" + screen + bytes(6) + b"," + place + b"\x02\x02\x4c\x01\0;"


def _with_size(bmp: bytes, width: int, height: int) -> bytes:
    return bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]


def _many_frames() -> dict[str, Hostile]:
    """Of an animation the first frame counts."""
    pixels, frames = scenes.gradient(16, 16), 10_000
    gif = webs.gif(pixels)
    gif_frame = gif[gif.index(b",") : -1]
    kind, body = webs.riff_chunks(webs.webp(pixels, lossless=True))[0]
    sizes = (15).to_bytes(3, "little") * 2
    frame = (b"ANMF", bytes(6) + sizes + bytes(4) + kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2))
    canvas = (b"VP8X", bytes((2, 0, 0, 0)) + sizes)
    return {
        "GIF of 10,000 frames": Hostile(gif[:-1] + gif_frame * frames + b";", {"ready"}),
        "WebP of 10,000 frames": Hostile(webs.riff(canvas, (b"ANIM", bytes(6)), *[frame] * frames), {"ready"}),
        "APNG of 10,000 frames": Hostile(pngs.animated([pixels, *[pixels.copy()] * (frames - 1)]), {"ready"}),
    }


def _metadata() -> dict[str, Hostile]:
    """Pictures that are whole, with metadata that nobody should unpack."""
    pixels = scenes.gradient(_SIDE, _SIDE)
    png, jpeg, webp = pngs.png(pixels), jpegs.jpeg(pixels), webs.webp(pixels, lossless=True)
    zeros = zlib.compress(bytes(200_000_000), 1)
    shared, loop = shared_values(60_000, 3_000_000), tag_files.exif({0x8769: Entry(4, 1, 8), 0x8825: Entry(4, 1, 8)})
    huge = tag_files.exif({0x010F: Entry(2, 0xFFFF_FFFF, 8), 0x0110: Entry(5, 0xFFFF_FFFF, 8), 0x9003: _LONG})
    canvas = (b"VP8X", bytes((8, 0, 0, 0)) + (_SIDE - 1).to_bytes(3, "little") * 2)
    whole = {
        "PNG with a text of 200 MB of zeros": pngs.with_chunk(png, pngs.chunk(b"zTXt", b"a\0\0" + zeros)),
        "PNG with a profile of 200 MB of zeros": pngs.with_chunk(png, pngs.chunk(b"iCCP", b"a\0\0" + zeros)),
        "PNG with 90,000 texts": pngs.with_chunk(png, pngs.chunk(b"tEXt", b"a\0b") * 90_000),
        "PNG whose EXIF names 180 GB": pngs.with_chunk(png, pngs.chunk(b"eXIf", shared)),
        "WebP whose EXIF names 180 GB": webs.riff(canvas, *webs.riff_chunks(webp), (b"EXIF", shared)),
        "HEIC whose EXIF names 180 GB": heifs.file([heifs.hevc(pixels)], exif=heifs.exif_item(shared)),
        "AVIF whose EXIF names 180 GB": heifs.file([heifs.av1(pixels)], exif=heifs.exif_item(shared)),
        "JPEG whose EXIF names 100 MB": jpegs.with_exif(jpeg, shared_values(2_500, 40_000 - 10_000)),
        "JPEG whose EXIF is a loop": jpegs.with_exif(jpeg, loop),
        "JPEG whose EXIF counts to 2^32 - 1": jpegs.with_exif(jpeg, huge),
    }
    return {name: Hostile(data, {"ready"}) for name, data in whole.items()}


def shared_values(count: int, length: int) -> bytes:
    """A directory of `count` tags that all name the same bytes."""
    entries = b"".join(struct.pack("<HHII", tag, tag_files.BYTE, length, 8) for tag in range(count))
    return b"II*\0" + struct.pack("<IH", 8, count) + entries + bytes(length)


def _tiffs() -> dict[str, Hostile]:
    pixels = scenes.gradient(8, 8)
    plain, whole = tag_files.picture_tags(pixels, 2), tag_files.tiff(pixels)
    (start,) = struct.unpack("<I", whole[4:8])
    (count,) = struct.unpack("<H", whole[start : start + 2])
    end = start + 2 + 12 * count
    return {
        "TIFF whose directories are a loop": Hostile(
            whole[:end] + struct.pack("<I", start) + whole[end + 4 :], {"ready", "damaged"}
        ),
        "TIFF that is its own sub-file": Hostile(
            tag_files.directories({**plain, 330: Entry(4, 1, 8)}), {"ready", "damaged"}
        ),
        "TIFF of 32 bits in Adobe RGB": Hostile(
            tag_files.tiff(pixels.astype(np.uint32), t34665={0xA001: 2}), {"ready", "unsupported"}
        ),
        "TIFF of 2^32 - 1 strips": Hostile(tag_files.directories({**plain, 273: _LONG, 279: _LONG}), {"damaged"}),
        "TIFF of 2^32 - 1 sub-files": Hostile(tag_files.directories({**plain, 330: _LONG}), {"ready", "damaged"}),
        "TIFF whose tags name 100 GB": Hostile(shared_values(50_000, 2_000_000), {"damaged", "truncated"}),
    }


def _heifs() -> dict[str, Hostile]:
    pixels = scenes.gradient(_SIDE, _SIDE)
    coded = heifs.hevc(pixels)
    shown = (b"ispe", struct.pack(">III", 0, _SIDE, _SIDE))
    alone = heifs.item(coded.kind, coded.data, [coded.configuration, shown])
    wide = (b"ispe", struct.pack(">III", 0, 16_384, 12_800))
    grid, wide_grid = struct.pack(">BBBBHH", 0, 0, 0, 0, _SIDE, _SIDE), struct.pack(">BBBBHH", 0, 0, 199, 255, 16_384,
                                                                                    12_800)  # fmt: skip
    nested = b""
    for _ in range(5_000):
        nested = heifs.box(b"iprp", nested)
    start = heifs.box(b"ftyp", b"heic", bytes(4))
    exif = heifs.item(b"Exif", b"x", [], [(b"cdsc", [1])])
    return {
        "HEIC of 65,535 items": Hostile(
            heifs.container([alone, *[heifs.item(b"hvc1", b"", [])] * 65_534]), {"too-complex"}
        ),
        "HEIC grid of itself": Hostile(
            heifs.container([heifs.item(b"grid", grid, [shown], [(b"dimg", [1])])]), {"damaged"}
        ),
        "HEIC grids of each other": Hostile(
            heifs.container([heifs.item(b"grid", grid, [shown], [(b"dimg", [to])]) for to in (2, 1)]), {"damaged"}
        ),
        "HEIC of one tile, 51,200 times": Hostile(
            heifs.container([heifs.item(b"grid", wide_grid, [wide], [(b"dimg", [2] * 51_200)]), alone]),
            {"damaged", "too-complex"},
        ),
        "HEIC that claims 210 megapixels": Hostile(
            heifs.container([heifs.item(coded.kind, coded.data, [coded.configuration, wide])]), {"damaged"}
        ),
        "HEIC of no size": Hostile(
            heifs.container([heifs.item(coded.kind, coded.data, [coded.configuration, (b"ispe", bytes(12))])]),
            {"damaged"},
        ),
        "HEIC whose items overlap": Hostile(
            heifs.container([alone, exif], extents=[(0, 400), (0, 2_000_000_000)]), {"damaged", "truncated"}
        ),
        "HEIC whose 2,000 EXIF items are the file": Hostile(
            _with_items_as_long_as_the_file(alone, 2_000), {"ready", "damaged"}
        ),
        "HEIC of 20 million associations": Hostile(
            start + heifs.full_box(b"meta", 0, heifs.box(b"iprp", _associations(200))), {"too-complex"}
        ),
        **{
            f"{kind} of 16 megapixels that claims to be {claim}": Hostile(data, {"damaged"})
            for kind, encode in (("HEIC", heifs.hevc), ("AVIF", heifs.av1))
            for claim, data in _larger_inside(encode).items()
        },
        "HEIC of boxes in boxes": Hostile(start + heifs.full_box(b"meta", 0, nested), {"damaged", "truncated"}),
        "HEIC of boxes to the end": Hostile(
            start + bytes(4) + b"meta" + bytes(4) + (bytes(4) + b"iprp") * 1_000, {"damaged", "truncated"}
        ),
        "HEIC of a million references": Hostile(
            start + heifs.full_box(b"meta", 0, heifs.full_box(b"iref", 0, _references(40, 30_000))), {"too-complex"}
        ),
    }


def _larger_inside(encode: Callable[..., heifs.Coded]) -> dict[str, bytes]:
    """Files of some kilobytes: alone, and as the one tile of a small picture."""
    coded = encode(np.full((4_000, 4_000, 3), 77, np.uint8))
    liar = replace(coded, width=_SIDE, height=_SIDE)
    return {
        "tiny": heifs.file([liar]),
        "a tiny tile": heifs.file([liar], 1, (_SIDE, _SIDE), is_grid=True),
        "a tile of a tiny picture": heifs.file([coded], 1, (_SIDE, _SIDE), is_grid=True),
    }


def _with_items_as_long_as_the_file(picture: heifs.Item, count: int) -> bytes:
    zeros = 40_000_000
    items = [picture, heifs.item(b"free", bytes(zeros), []), *[heifs.item(b"Exif", b"", [], [(b"cdsc", [1])])] * count]
    at = heifs.container(items).index(b"mdat") + 4
    return heifs.container(items, extents=[(at, len(picture.data)), (0, 1), *[(0, zeros)] * count])


def _associations(boxes: int) -> bytes:
    """Each says 400 times that the item has 255 properties."""
    one = heifs.full_box(b"ipma", 0, struct.pack(">I", 400), (struct.pack(">HB", 1, 255) + bytes(255)) * 400)
    return one * boxes


def _references(boxes: int, count: int) -> bytes:
    return b"".join(heifs.box(b"dimg", struct.pack(">HH", number, count), bytes(2 * count)) for number in range(boxes))


def _jpegs() -> dict[str, Hostile]:
    pixels = scenes.gradient(67, 45)
    plain, progressive = jpegs.jpeg(pixels), jpegs.jpeg(pixels, progressive=True)
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    size, lie = struct.pack(">HH", 45, 67), struct.pack(">HH", 65_000, 3_000)
    storm = b"".join(bytes((0xFF, 0xD0 + number % 8)) for number in range(8)) * 250_000
    return {
        "JPEG of 10,000 scans": Hostile(progressive[:-2] + last_scan * 10_000 + jpegs.EOI, {"too-complex"}),
        "JPEG of 150 scans": Hostile(progressive[:-2] + last_scan * 150 + jpegs.EOI, {"damaged"}),
        "JPEG that claims 195 megapixels": Hostile(plain.replace(size, lie, 1), {"truncated"}),
        "JPEG that claims them, with restarts": Hostile(
            jpegs.with_segment(plain, 0xDD, b"\0\1").replace(size, lie, 1), {"truncated", "damaged"}
        ),
        "progressive JPEG that claims 195 megapixels": Hostile(progressive.replace(size, lie, 1), {"truncated"}),
        "JPEG with 2 million restarts": Hostile(plain[:-2] + storm + jpegs.EOI, {"ready", "damaged"}),
        "JPEG with 20 MB of fill bytes": Hostile(
            plain[:30] + b"\xff" * 20_000_000 + plain[30:], {"truncated", "damaged"}
        ),
        "JPEG with 500,000 empty comments": Hostile(plain[:2] + b"\xff\xfe\0\2" * 500_000 + plain[2:], {"ready"}),
        "JPEG with a profile of 65 MB": Hostile(
            plain[:2] + jpegs.segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65_000)) * 1_000 + plain[2:], {"ready"}
        ),
        "JPEG that is one long scan of nothing": Hostile(b"\xff\xd8\xff" + b"\xff\0" * 5_000_000, {"truncated"}),
    }


BOMBS: Mapping[str, Callable[[], dict[str, Hostile]]] = {
    "pixels": _many_pixels,
    "frames": _many_frames,
    "metadata": _metadata,
    "tags": _tiffs,
    "boxes": _heifs,
    "scans": _jpegs,
}
"""By what they have too many of. Some are large, so they are made when they are needed."""


def others() -> Mapping[str, bytes]:
    """What is no picture, whatever its name says."""
    return {
        "empty": b"",
        "one byte": b"\xff",
        "SVG": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "HTML": b"<!doctype html><script>alert(1)</script>",
        "ZIP": b"PK\3\4" + bytes(100),
        "PDF": b"%PDF-1.7\n" + bytes(100),
        "ELF": b"\x7fELF\2\1\1" + bytes(100),
        "text that starts with BM": b"BM is a magazine of the 1990s, and no bitmap",
        "film": struct.pack(">I", 24) + b"ftypmp42" + bytes(4) + b"mp42isom" + bytes(100),
        "MPEG audio": b"\xff\xfb\x90\x44" + bytes(100),
    }


def polyglots() -> Mapping[str, bytes]:
    """Pictures that are something else, too; that part says `SECRET`."""
    pixels = scenes.gradient(_SIDE, _SIDE)
    gif = webs.gif(pixels)
    return {
        "JPEG and ZIP": jpegs.jpeg(pixels) + b"PK\3\4SECRET",
        "JPEG with a comment": jpegs.with_segment(jpegs.jpeg(pixels), 0xFE, b"<?php SECRET"),
        "GIF and JavaScript": gif[:-1] + b"!\xfe\x10*/=0;alert(SECRET)\0;",
        "PNG and PHP": pngs.png(pixels) + b"<?php SECRET ?>",
        "PNG with PHP in a text": pngs.png(pixels, before=[pngs.chunk(b"tEXt", b"a\0<?php SECRET ?>")]),
        "WebP and more": webs.webp(pixels) + b"SECRET",
        "BMP and more": bmps.bmp(pixels) + b"SECRET",
        "HEIC and more": heifs.file([heifs.hevc(pixels)]) + heifs.box(b"free", b"SECRET"),
    }
