"""WebP (RFC 9649): its RIFF chunks. Pure."""

import struct

from processing.formats.facts import Facts, Icc, damaged, truncated

_MAX_CHUNKS = 10_000


def read(data: bytes) -> Facts:
    """`data` starts with a RIFF header. Raises InvalidImage."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise truncated()
    chunks = _chunks(data, end)
    width, height = _size(chunks)
    profile, exif = chunks.get(b"ICCP", b""), chunks.get(b"EXIF", b"").removeprefix(b"Exif\0\0")
    return Facts(width, height, data[:end], exif=exif, colour=Icc(profile) if profile else None)


def _chunks(data: bytes, end: int) -> dict[bytes, bytes]:
    """The first chunk of each type; of pictures and frames the first bytes alone."""
    chunks: dict[bytes, bytes] = {}
    position = 12
    while position + 8 <= end and len(chunks) < _MAX_CHUNKS:
        name, length = struct.unpack("<4sI", data[position : position + 8])
        start = position + 8
        if length > end - start:
            raise truncated()
        kept = 32 if name in (b"VP8 ", b"VP8L", b"ANMF") else length
        chunks.setdefault(name, data[start : min(start + kept, start + length)])
        position = start + length + length % 2
    return chunks


def _size(chunks: dict[bytes, bytes]) -> tuple[int, int]:
    if len(extended := chunks.get(b"VP8X", b"")) >= 10:
        return 1 + int.from_bytes(extended[4:7], "little"), 1 + int.from_bytes(extended[7:10], "little")
    if len(lossy := chunks.get(b"VP8 ", b"")) >= 10:
        width, height = struct.unpack("<HH", lossy[6:10])
        return width & 0x3FFF, height & 0x3FFF
    if len(lossless := chunks.get(b"VP8L", b"")) >= 5:
        bits = int.from_bytes(lossless[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise damaged()
