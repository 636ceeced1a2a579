"""Files made of directories of tags: EXIF, TIFF, and raw files, as cameras and hostile people write them."""

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
_CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "II", UNDEFINED: "B"}

Tags = Mapping[int, Any]
"""Values by tag: a text, bytes, a whole number, a `Typed`, or the tags of a directory below."""


class Typed(NamedTuple):
    """Values of one type; rationals are pairs."""

    kind: int
    values: Sequence[Any]


class At(NamedTuple):
    """Bytes elsewhere in the file: the tag has their offset."""

    data: bytes


class Entry(NamedTuple):
    """An entry as it is to stand in the file, true or not."""

    kind: int
    count: int
    value: int


class _Writer:
    def __init__(self, order: str, start: bytes) -> None:
        self.order, self.data = order, bytearray(start)

    def block(self, data: bytes) -> int:
        self.data += bytes(len(self.data) % 2)
        self.data += data
        return len(self.data) - len(data)

    def directory(self, tags: Tags, following: int = 0) -> int:
        entries = b"".join(self._entry(tag, tags[tag]) for tag in sorted(tags))
        return self.block(self._packed("H", len(tags)) + entries + self._packed("I", following))

    def _entry(self, tag: int, value: Any) -> bytes:
        if isinstance(value, Entry):
            return self._packed("HHII", tag, *value)
        kind, values = self._typed(value)
        body = values if isinstance(values, bytes) else b"".join(self._value(kind, each) for each in values)
        short = body.ljust(4, b"\0") if len(body) <= 4 else self._packed("I", self.block(body))
        return self._packed("HHI", tag, kind, len(values)) + short

    def _typed(self, value: Any) -> Typed:
        match value:
            case Typed(_, bytes()):
                return value
            case Typed():
                return Typed(value.kind, [self._placed(each) for each in value.values])
            case str():
                return Typed(ASCII, value.encode() + b"\0")
            case bytes():
                return Typed(UNDEFINED, value)
            case int():
                return Typed(SHORT if value < 65_536 else LONG, [value])
        return Typed(LONG, [self._placed(value)])

    def _value(self, kind: int, value: Any) -> bytes:
        return self._packed(_CODES[kind], *(value if isinstance(value, tuple) else (value,)))

    def _placed(self, value: Any) -> Any:
        if isinstance(value, At):
            return self.block(value.data)
        return self.directory(value) if isinstance(value, Mapping) else value

    def _packed(self, codes: str, *values: int) -> bytes:
        return struct.pack(self.order + codes, *values)


def directories(*tags: Tags, order: str = "<", start: bytes = b"") -> bytes:
    """A file of directories in a chain. `start` replaces its first eight bytes or more, but not the first offset."""
    default = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4)
    writer, following = _Writer(order, start or default), 0
    for each in reversed(tags):
        following = writer.directory(each, following)
    writer.data[4:8] = struct.pack(f"{order}I", following)
    return bytes(writer.data)


def exif(tags: Tags, camera: Tags | None = None, gps: Tags | None = None, order: str = "<") -> bytes:
    """`tags` are those of the picture, `camera` those of the EXIF directory."""
    below = {tag: value for tag, value in ((0x8769, camera), (0x8825, gps)) if value is not None}
    return directories({**tags, **below}, order=order)


def oriented(orientation: int) -> bytes:
    return exif({0x0112: orientation})


def degrees(*values: float) -> Typed:
    """Degrees, minutes and seconds, or an altitude."""
    return Typed(RATIONAL, [(round(value * 10_000), 10_000) for value in values])


def picture_tags(pixels: NDArray[Any], photometric: int, rows: int = 16, order: str = "<") -> dict[int, Any]:
    """The tags of an uncompressed picture in strips of `rows` rows; pixels are height × width × bands."""
    height, width, bands = pixels.shape
    big = pixels.astype(pixels.dtype.newbyteorder(order))
    strips = [big[at : at + rows].tobytes() for at in range(0, height, rows)]
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    return {
        256: width,
        257: height,
        258: Typed(SHORT, [8 * pixels.dtype.itemsize] * bands),
        259: 1,
        262: photometric,
        273: Typed(LONG, [At(strip) for strip in strips]),
        277: bands,
        278: rows,
        279: Typed(LONG, [len(strip) for strip in strips]),
        339: Typed(SHORT, [kind] * bands),
    }


def tiff(pixels: NDArray[Any], photometric: int = 2, order: str = "<", **tags: Any) -> bytes:
    """Uncompressed, in strips. Further tags are named by their number: `t274=6`."""
    more = {int(name[1:]): value for name, value in tags.items()}
    return directories({**picture_tags(pixels, photometric, order=order), **more}, order=order)


def compressed_tiff(pixels: NDArray[Any], compression: str = "lzw", **options: Any) -> bytes:
    """By libtiff: lzw, deflate, jpeg, packbits, ccittfax4; `tile=True` for tiles."""
    source = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    return bytes(source.tiffsave_buffer(compression=compression, **options))


def pillow_tiff(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "TIFF", **options)
    return file.getvalue()


def _sensor(compression: int = 1, photometric: int = 32803) -> dict[int, Any]:
    return {**picture_tags(np.zeros((8, 8, 1), np.uint16), photometric), 259: compression}


def raw_files() -> dict[str, bytes]:
    """Of each maker a file that starts like theirs, with a small preview as its first picture where they have one."""
    preview = picture_tags(np.zeros((6, 8, 3), np.uint8), 2)
    fuji = b"FUJIFILMCCD-RAW 0201FF129502X-T3".ljust(200, b"\0")
    return {
        "DNG": directories({**preview, 50706: Typed(BYTE, [1, 4, 0, 0]), 330: _sensor()}),
        "CR2": directories(preview, start=b"II*\0\x10\0\0\0CR\2\0\0\0\0\0"),
        "NEF": directories({**preview, 330: _sensor(34713)}, order=">"),
        "ARW": directories({**preview, 330: _sensor(32767)}),
        "PEF": directories(_sensor(65535), order=">"),
        "CR3": struct.pack(">I4s4sI", 24, b"ftyp", b"crx ", 1) + b"crx isom" + bytes(200),
        "ORF": directories(preview, start=b"IIRO\0\0\0\0"),
        "RW2": directories(preview, start=b"IIU\0\0\0\0\0"),
        "RAF": fuji,
    }
