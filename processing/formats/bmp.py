"""BMP with one of Windows' headers (BITMAPCOREHEADER to BITMAPV5HEADER). Pure."""

import struct

from processing.formats.facts import Colour, Facts, Icc, calibrated, damaged, not_an_image, truncated

_FILE_HEADER_BYTES, _CORE, _V4, _V5 = 14, 12, 108, 124
_HEADERS = (_CORE, 40, 52, 56, 64, _V4, _V5)
"""Their lengths tell BMPs from texts that start with BM, too."""
_UNCOMPRESSED, _BITFIELDS, _ALPHA_BITFIELDS = 0, 3, 6
_CALIBRATED, _EMBEDDED = 0, 0x4D424544


def read(data: bytes) -> Facts:
    """`data` starts with `BM`. Raises InvalidImage."""
    if len(data) < _FILE_HEADER_BYTES + _CORE:
        raise truncated()
    pixels_at, header_bytes = struct.unpack("<II", data[10:18])
    if header_bytes not in _HEADERS:
        raise not_an_image()
    header = data[_FILE_HEADER_BYTES : _FILE_HEADER_BYTES + header_bytes]
    if len(header) < header_bytes:
        raise truncated()
    if header_bytes == _CORE:
        (width, height, _, bits), compression = struct.unpack("<HHHH", header[4:12]), _UNCOMPRESSED
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", header[4:20])
    height = abs(height)
    if width <= 0 or height == 0:
        raise damaged()
    row_bytes = (width * bits + 31) // 32 * 4
    if compression in (_UNCOMPRESSED, _BITFIELDS, _ALPHA_BITFIELDS) and pixels_at + row_bytes * height > len(data):
        raise truncated()
    return Facts(width, height, data, colour=_colour(data, header))


def _colour(data: bytes, header: bytes) -> Colour:
    if len(header) < _V4:
        return None
    (kind,) = struct.unpack("<I", header[56:60])
    if kind == _CALIBRATED:
        return _calibrated(header)
    if kind == _EMBEDDED and len(header) >= _V5:
        start, length = struct.unpack("<II", header[112:120])
        start += _FILE_HEADER_BYTES
        return Icc(data[start : start + length]) if 0 < length <= len(data) - start else None
    return None


def _calibrated(header: bytes) -> Colour:
    """The end points are the XYZ of full red, green and blue as 2.30 fixed point, and white is their sum."""
    values = [value / (1 << 30) for value in struct.unpack("<9I", header[60:96])]
    gammas = [value / (1 << 16) for value in struct.unpack("<3I", header[96:108])]
    colours = [values[at : at + 3] for at in (0, 3, 6)]
    colours.insert(0, [sum(column) for column in zip(*colours, strict=True)])
    if not all(sum(colour) > 0 for colour in colours):
        return None
    xy = [colour[axis] / sum(colour) for colour in colours for axis in (0, 1)]
    return calibrated(sum(gammas) / 3, xy)
