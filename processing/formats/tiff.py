"""TIFF 6.0: its first picture, and the raw files of cameras, which are TIFFs, too. Pure."""

import struct
from collections.abc import Mapping, Sequence

from processing.formats.facts import Facts, Icc, InvalidImage, damaged, truncated

Tags = Mapping[int, Sequence[int]]

_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 256, 257, 259, 262, 274
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_SUBFILES, _ICC, _DNG_VERSION = 330, 34675, 50706
_CFA, _LINEAR_RAW = 32803, 34892
_RAW_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)
_MAX_TAGS, _MAX_VALUES, _MAX_SUBFILES = 1_000, 200_000, 20
_CODES = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I"}
"""The types that are read here: byte, short, long, undefined, and the offset of a directory."""


def read(data: bytes) -> Facts:
    """`data` starts with a byte order and 42. Raises InvalidImage."""
    order = ">" if data[:2] == b"MM" else "<"
    tags = _directory(data, order, struct.unpack(f"{order}I", data[4:8])[0]) if len(data) >= 8 else {}
    if _is_raw(data, order, tags):
        raise raw()
    if len(tags.get(_WIDTH, ())) != 1 or len(tags.get(_HEIGHT, ())) != 1:
        raise damaged()
    starts = tags.get(_STRIPS) or tags.get(_TILES, ())
    lengths = tags.get(_STRIP_BYTES) or tags.get(_TILE_BYTES, ())
    if not starts or len(starts) != len(lengths):
        raise damaged()
    if any(start + length > len(data) for start, length in zip(starts, lengths, strict=True)):
        raise truncated()
    profile = bytes(tags.get(_ICC, ()))
    return Facts(
        tags[_WIDTH][0],
        tags[_HEIGHT][0],
        data,
        orientation=tags.get(_ORIENTATION, (1,))[0],
        exif=data,
        colour=Icc(profile) if profile else None,
    )


def raw() -> InvalidImage:
    """The error for a camera's raw file."""
    return InvalidImage(
        "raw-file",
        "the file is a camera's raw data; export it as a JPEG with your camera or photo program, and upload that",
    )


def _is_raw(data: bytes, order: str, tags: Tags) -> bool:
    """A raw file's first picture is often a small preview, and the sensor's data a sub-file of it."""
    subfiles = [_directory(data, order, offset) for offset in tags.get(_SUBFILES, ())[:_MAX_SUBFILES]]
    return (
        data[8:10] == b"CR"
        or _DNG_VERSION in tags
        or any(
            each.get(_PHOTOMETRIC, (0,))[0] in (_CFA, _LINEAR_RAW)
            or each.get(_COMPRESSION, (1,))[0] in _RAW_COMPRESSIONS
            for each in (tags, *subfiles)
        )
    )


def _directory(data: bytes, order: str, offset: int) -> Tags:
    """Its whole numbers, by tag. What can't be read is left out."""
    tags: dict[int, Sequence[int]] = {}
    if offset < 8 or offset + 2 > len(data):
        return tags
    (count,) = struct.unpack(f"{order}H", data[offset : offset + 2])
    for number in range(min(count, _MAX_TAGS)):
        entry = data[offset + 2 + 12 * number :][:12]
        if len(entry) < 12:
            break
        tag, kind, length = struct.unpack(f"{order}HHI", entry[:8])
        if (code := _CODES.get(kind)) is None or length > max(_MAX_VALUES, len(data)) or length == 0:
            continue
        size = struct.calcsize(code) * length
        start = struct.unpack(f"{order}I", entry[8:])[0] if size > 4 else offset + 2 + 12 * number + 8
        if start + size <= len(data):
            tags[tag] = struct.unpack(f"{order}{length}{code}", data[start : start + size])
    return tags
