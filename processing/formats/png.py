"""PNG (W3C PNG, third edition): its chunks, to the end of the file, since some programs write metadata last. Pure."""

import struct
import zlib

from processing.formats.facts import Cicp, Colour, Facts, Icc, calibrated, damaged, truncated

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 100_000
_MAX_PROFILE_BYTES = 4 << 20
_SRGB = Cicp(1, 13)
# The primaries of sRGB (ITU-R BT.709) and its white, for files that state a gamma alone.
_BT709 = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


def read(data: bytes) -> Facts:
    """`data` starts with the signature. Raises InvalidImage."""
    chunks = _chunks(data)
    header = chunks.get(b"IHDR", b"")
    if len(header) != 13 or b"IDAT" not in chunks:
        raise damaged()
    width, height = struct.unpack(">II", header[:8])
    return Facts(width, height, data, exif=chunks.get(b"eXIf", b""), colour=_colour(chunks))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The first chunk of each type, without the bodies of the pixels (those are left to the decoder)."""
    chunks: dict[bytes, bytes] = {}
    position = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if len(data) < position + 12:
            raise truncated()
        length, name = struct.unpack(">I4s", data[position : position + 8])
        if length > len(data) - position - 12:
            raise truncated()
        if name not in chunks:
            chunks[name] = b"" if name == b"IDAT" else data[position + 8 : position + 8 + length]
        if name == b"IEND":
            return chunks
        position += 12 + length
    raise damaged()


def _colour(chunks: dict[bytes, bytes]) -> Colour:
    """By the standard's order of precedence (section 4.3): cICP, iCCP, sRGB, gAMA with cHRM."""
    if len(cicp := chunks.get(b"cICP", b"")) == 4:
        return Cicp(cicp[0], cicp[1])
    if profile := _profile(chunks.get(b"iCCP", b"")):
        return Icc(profile)
    if b"sRGB" in chunks:
        return _SRGB
    gamma = int.from_bytes(chunks.get(b"gAMA", b""))
    if not gamma:
        return None
    chromaticities = chunks.get(b"cHRM", b"")
    xy = [value / 100_000 for value in struct.unpack(">8I", chromaticities)] if len(chromaticities) == 32 else _BT709
    return calibrated(100_000 / gamma, xy)


def _profile(chunk: bytes) -> bytes:
    """Empty if there is none, or none that can be read: the picture then has the colours that its other chunks say."""
    name, _, rest = chunk.partition(b"\0")
    if not name or not rest or rest[0] != 0:
        return b""
    try:
        return zlib.decompressobj().decompress(rest[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
