"""Files that were cut short; and such files closed again, so that their containers look whole."""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

from processing.formats import tags
from tests.builders import jpegs, pngs, webs


def closed(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """What was cut, and the closed file, for some cuts through the pixels of the file `name` ("JPEG progressive")."""
    close = _CLOSED.get(name.partition(" ")[0])
    return close(data) if close else iter(())


def _jpeg(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Within and between scans, with an end marker."""
    for number, scan in enumerate(jpegs.scans(data)):
        for at in (*_within(scan.start, scan.stop), scan.stop - 2, scan.stop - 1):
            yield f"scan {number} at {at}", data[:at] + jpegs.EOI
    for number, scan in enumerate(jpegs.scans(data)[:-1]):
        yield f"after scan {number}", data[: scan.stop] + jpegs.EOI


def _png(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The compressed rows end early; or they end as they should, and there are too few of them."""
    chunks = list(_png_chunks(data))
    first = next(number for number, (kind, _) in enumerate(chunks) if kind == b"IDAT")
    before = [pngs.chunk(*each) for each in chunks[:first]]
    stream = b"".join(body for kind, body in chunks if kind == b"IDAT")
    rows = zlib.decompress(stream)
    for at in _within(2, len(stream)):
        yield f"stream at {at}", pngs.whole(*before, pngs.chunk(b"IDAT", stream[:at]))
    for at in (*_within(0, len(rows)), len(rows) - 1):
        yield f"rows at {at}", pngs.whole(*before, pngs.chunk(b"IDAT", zlib.compress(rows[:at])))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(pngs.SIGNATURE)
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        yield kind, data[position + 8 : position + 8 + length]
        position += 12 + length


def _gif(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The first picture ends early, with an empty sub-block and the trailer."""
    starts = webs.gif_starts(data)
    image = next(start for start in starts[2:] if data[start] == 0x2C)
    first = next(start for start in starts if start > image)
    end = next(start for start in starts if start > first and data[start] == 0)
    for at in _within(first + 2, end - 4):
        block = max(start for start in starts if start < at)
        kept = data[:block] + bytes((at - block,)) + data[block + 1 : at + 1]
        yield f"picture at {at}", kept + b"\0;"


# libwebp draws the last blocks of a lossy picture without its last few bytes, and does not say so.
_UNNOTICED_BYTES = 16


def _webp(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each chunk of pixels ends early, with lengths that say so."""
    chunks = webs.riff_chunks(data)
    for number, (kind, body) in enumerate(chunks):
        if kind in (b"VP8 ", b"VP8L", b"ALPH"):
            for at in _within(12, len(body) - _UNNOTICED_BYTES):
                cut = [*chunks[:number], (kind, body[:at]), *chunks[number + 1 :]]
                yield f"{kind.decode()} at {at}", webs.riff(*cut)


def _heif(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes of each item end early, and its length says so."""
    place = data.index(b"iloc") + 4
    count = int.from_bytes(data[place + 6 : place + 8])
    for number in range(count):
        entry = place + 8 + 14 * number
        (length,) = struct.unpack(">I", data[entry + 10 : entry + 14])
        if length > 16:
            for kept in _within(length // 2, length - 3):
                yield f"item {number + 1} at {kept}", data[: entry + 10] + struct.pack(">I", kept) + data[entry + 14 :]


def _tiff(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The last strip or tile is shorter, and its length says so."""
    order = tags.byte_order(data) or "<"
    start = tags.first_directory(data, order)
    (count,) = struct.unpack(f"{order}H", data[start : start + 2])
    for number in range(count):
        at = start + 2 + 12 * number
        tag, kind, values = struct.unpack(f"{order}HHI", data[at : at + 8])
        if tag in (279, 325):
            code, size = ("H", 2) if kind == 3 else ("I", 4)
            where = at + 8 if values * size <= 4 else struct.unpack(f"{order}I", data[at + 8 : at + 12])[0]
            where += (values - 1) * size
            (length,) = struct.unpack(f"{order}{code}", data[where : where + size])
            for kept in _within(1, length - 4):
                yield f"strip at {kept}", data[:where] + struct.pack(f"{order}{code}", kept) + data[where + size :]


def _bmp(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Run lengths end early, with the mark for the end."""
    (compression,) = struct.unpack("<I", data[30:34])
    if struct.unpack("<I", data[14:18])[0] >= 40 and compression == 1:
        (start,) = struct.unpack("<I", data[10:14])
        for at in _within(start, len(data) - 4):
            even = at - (at - start) % 2
            yield f"run lengths at {even}", data[:even] + b"\0\1"


def _within(start: int, stop: int) -> list[int]:
    """A few places from `start` to before `stop`."""
    return sorted({start + (stop - start) * part // 6 for part in range(6)} | {max(start, stop - 1)})


_CLOSED: Mapping[str, Callable[[bytes], Iterator[tuple[str, bytes]]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "WebP": _webp,
    "HEIC": _heif,
    "AVIF": _heif,
    "TIFF": _tiff,
    "BMP": _bmp,
}
