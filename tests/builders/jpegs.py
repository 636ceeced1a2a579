"""JPEGs as cameras, phones, print shops and careless programs write them, and where their parts begin."""

import io
import re
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from tests.builders import scenes
from tests.builders.scenes import Pixels

EOI = b"\xff\xd9"
_SOS, _STANDALONE = 0xDA, (0x01, *range(0xD0, 0xDA))
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def jpeg(pixels: Pixels, mode: str = "RGB", **options: Any) -> bytes:
    """By Pillow: `quality`, `progressive`, `subsampling` ("4:4:4"), `restart_marker_blocks`, `exif`, `icc_profile`."""
    file = io.BytesIO()
    scenes.image(pixels, mode).save(file, "JPEG", **{"quality": 92, "subsampling": "4:4:4", **options})
    return file.getvalue()


def four_inks(inks: Pixels, is_ycck: bool = False) -> bytes:
    """An Adobe CMYK file, stored inverted, as Photoshop does; `inks` are height × width × 4, 255 is full ink.

    YCCK turns the first three into luma and chroma. The encoder does not know it: it is given those numbers as inks.
    """
    numbers = inks
    if is_ycck:
        colours = np.asarray(Image.fromarray(inks[:, :, :3]).convert("YCbCr"))
        numbers = np.concatenate([255 - colours, inks[:, :, 3:]], axis=2)
    file = io.BytesIO()
    Image.fromarray(numbers, "CMYK").save(file, "JPEG", quality=95)
    return with_transform(file.getvalue(), 2 if is_ycck else 0)


def with_transform(data: bytes, transform: int) -> bytes:
    """Says in Adobe's segment what the components are: 0 as they are, 1 YCbCr, 2 YCCK."""
    at = data.index(b"\xff\xee\0\x0eAdobe")
    return data[: at + 15] + bytes((transform,)) + data[at + 16 :]


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    """After the start marker, where cameras write."""
    return data[:2] + segment(marker, body) + data[2:]


def with_exif(data: bytes, exif: bytes) -> bytes:
    return with_segment(data, 0xE1, b"Exif\0\0" + exif)


def with_profile(data: bytes, profile: bytes, most: int = 65_000) -> bytes:
    parts = [profile[at : at + most] for at in range(0, len(profile), most)]
    for number, part in reversed(list(enumerate(parts, 1))):
        data = with_segment(data, 0xE2, b"ICC_PROFILE\0" + bytes((number, len(parts))) + part)
    return data


def starts(data: bytes) -> list[int]:
    """Where each marker, each scan's data, and the end of the file are."""
    return [start for _, start in _parts(data)] + [len(data)]


def scans(data: bytes) -> list[range]:
    """The entropy-coded data of each scan."""
    parts = list(_parts(data))
    return [range(start, end) for (kind, start), (_, end) in pairwise(parts) if kind == "scan"]


def segments(data: bytes) -> set[int]:
    """The markers of a JPEG up to its first scan."""
    found = set()
    for kind, start in _parts(data):
        if kind == "scan":
            break
        found.add(data[start + 1])
    return found


def _parts(data: bytes) -> Iterator[tuple[str, int]]:
    position = 0
    while position + 2 <= len(data) and data[position] == 0xFF:
        yield "marker", position
        marker = data[position + 1]
        if marker == EOI[1]:
            return
        position += 2
        if marker not in _STANDALONE:
            position += int.from_bytes(data[position : position + 2])
        if marker == _SOS:
            yield "scan", position
            found = _END_OF_SCAN.search(data, position)
            position = found.start() if found else len(data)


def kinds(pixels: Pixels) -> dict[str, bytes]:
    """The same picture in every kind of JPEG that is a whole file. Grey ones and inks show what they can of it."""
    plain = jpeg(pixels)
    film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\1\0mdat" + bytes(248)
    inks = np.concatenate([255 - pixels, np.zeros_like(pixels[:, :, :1])], axis=2)
    return {
        "baseline 4:4:4": plain,
        "baseline 4:2:2": jpeg(pixels, subsampling="4:2:2"),
        "baseline 4:2:0": jpeg(pixels, subsampling="4:2:0"),
        "three scans 4:4:0": _in_three_scans(pixels),
        "progressive": jpeg(pixels, progressive=True),
        "restart markers": jpeg(pixels, restart_marker_blocks=3),
        "optimised": jpeg(pixels, optimize=True),
        "grey": jpeg(pixels, "L"),
        "inks": four_inks(inks),
        "ycck": four_inks(inks, is_ycck=True),
        "rgb by adobe": jpeg(pixels, keep_rgb=True),
        "jfif 1.07": plain.replace(b"JFIF\0\x01\x01", b"JFIF\0\x01\x07", 1),
        "jfif 2.00": plain.replace(b"JFIF\0\x01\x01", b"JFIF\0\x02\x00", 1),
        "jfif thumbnail": with_segment(plain, 0xE0, b"JFXX\0\x13\x01\x01\0\0\0"),
        "bytes between segments": plain.replace(b"\xff\xdb", b"\0\0\0\xff\xdb", 1),
        "fill bytes": plain.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1),
        "bytes before the end": plain[:-2] + b"\0\0\0\0" + EOI,
        "no end marker": plain[:-2],
        "odd scan parameters": _with_odd_scan_parameters(plain),
        "second picture": with_segment(plain, 0xE2, b"MPF\0II*\0\x08\0\0\0" + bytes(60)) + jpeg(pixels[:8, :8]),
        "motion photo": plain + film,
        "gain map": with_segment(plain, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version='1.0'/>")
        + jpeg(pixels[:8, :8], "L"),
    }


def _in_three_scans(pixels: Pixels) -> bytes:
    """4:4:0, each component in a scan of its own: the luma, and half the rows of both colours."""
    height, width = pixels.shape[:2]
    planes = list(scenes.image(pixels).convert("YCbCr").split())
    planes[1:] = [plane.resize((width, (height + 1) // 2), Image.Resampling.BOX) for plane in planes[1:]]
    files = [jpeg(np.asarray(plane), "L") for plane in planes]
    parts = list(_parts(files[0]))
    tables = [files[0][start:end] for (_, start), (_, end) in pairwise(parts) if files[0][start + 1] in (0xDB, 0xC4)]
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x12\0\2\x11\0\3\x11\0"
    data = files[0][:2] + segment(0xC0, frame) + b"".join(tables)
    for number, file in enumerate(files, 1):
        scan = scans(file)[0]
        data += segment(_SOS, bytes((1, number, 0, 0, 63, 0))) + file[scan.start : scan.stop]
    return data + EOI


def _with_odd_scan_parameters(data: bytes) -> bytes:
    """Zeros where a sequential scan says that it has coefficients 0 to 63; some cameras write that."""
    at = scans(data)[0].start
    return data[: at - 3] + b"\0\0\0" + data[at:]
