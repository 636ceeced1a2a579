"""TIFF 6.0: its first picture, and the raw files of cameras, which are TIFFs, too. Pure."""

from processing.formats import tags
from processing.formats.facts import Facts, Icc, InvalidImage, damaged, truncated, unsupported
from processing.formats.tags import Tags, Values

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 277, 322, 323
_SUBFILES, _ICC, _DNG_VERSION = 330, 34675, 50706
_PICTURE = frozenset(
    {
        *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES),
        *(_SAMPLES, _TILE_WIDTH, _TILE_HEIGHT, _SUBFILES, _ICC, _DNG_VERSION),
    }
)
_SUBFILE = frozenset({_COMPRESSION, _PHOTOMETRIC})
_GREYS, _LAB, _CFA, _LINEAR_RAW = ([0], [1]), 8, 32803, 34892
_READABLE_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946)
"""None, three of faxes, LZW, two forms of JPEG, Deflate, PackBits, and Deflate's older number."""
_RAW_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)
_MAX_SUBFILES = 20
_MAX_BANDS = 8
"""Inks or colours, transparency, and a few masks. More come from satellites, and are decoded all at once."""
_MAX_TILE_PX, _TILE_STEP_PX = 8_192, 128
"""A tile is decoded as a whole, so libvips reads none with longer sides than these, or twice those of the picture."""


def read(data: bytes) -> Facts:
    """`data` starts with a byte order and 42. Raises InvalidImage."""
    order = tags.byte_order(data) or "<"
    found = tags.read(data, order, tags.first_directory(data, order), _PICTURE)
    if _is_raw(data, order, found):
        raise raw()
    if not found:
        raise truncated()
    width, height = _whole_numbers(found, _WIDTH), _whole_numbers(found, _HEIGHT)
    if len(width) != 1 or len(height) != 1:
        raise damaged()
    if _whole_numbers(found, _PHOTOMETRIC) == [_LAB] and 8 in _whole_numbers(found, _BITS):
        raise unsupported("a TIFF in L*a*b* colours of 8 bits")
    if any(each not in _READABLE_COMPRESSIONS for each in _whole_numbers(found, _COMPRESSION)):
        raise unsupported("a TIFF compressed by Zstandard, LZMA, WebP or another rare method")
    _check_bands(found)
    _check_whole(data, found)
    _check_tiles(found, max(width[0], height[0]))
    profile = found.get(_ICC, b"")
    colour = Icc(profile) if isinstance(profile, bytes) and profile else None
    return Facts(width[0], height[0], data, exif=data, colour=colour)


def _check_bands(found: Tags) -> None:
    """Grey may have transparency; of further bands nobody knows which is the picture."""
    bands = max(_whole_numbers(found, _SAMPLES), default=1)
    if bands > (2 if _whole_numbers(found, _PHOTOMETRIC) in _GREYS else _MAX_BANDS):
        raise unsupported(f"a TIFF of {bands} bands")


def _check_tiles(found: Tags, longer_side: int) -> None:
    most = min(_MAX_TILE_PX, 2 * _TILE_STEP_PX * -(-longer_side // _TILE_STEP_PX))
    if any(side > most for tag in (_TILE_WIDTH, _TILE_HEIGHT) for side in _whole_numbers(found, tag)):
        raise unsupported("a TIFF with tiles that are far larger than it needs")


def _check_whole(data: bytes, found: Tags) -> None:
    """Whether the bytes of each strip or tile are there."""
    starts = _whole_numbers(found, _STRIPS) or _whole_numbers(found, _TILES)
    lengths = _whole_numbers(found, _STRIP_BYTES) or _whole_numbers(found, _TILE_BYTES)
    if not starts or len(starts) != len(lengths):
        raise damaged()
    if any(start + length > len(data) for start, length in zip(starts, lengths, strict=True)):
        raise truncated()


def _whole_numbers(found: Tags, tag: int) -> list[int]:
    return [int(value) for value in found.get(tag, ()) if value == value]


def raw() -> InvalidImage:
    """The error for a camera's raw file."""
    return InvalidImage(
        "raw-file",
        "the file is a camera's raw data; export it as a JPEG with your camera or photo program, and upload that",
    )


def _is_raw(data: bytes, order: str, found: Tags) -> bool:
    """A raw file's first picture is often a small preview, and the sensor's data a sub-file of it."""
    offsets = _whole_numbers(found, _SUBFILES)[:_MAX_SUBFILES]
    subfiles = [tags.read(data, order, offset, _SUBFILE) for offset in offsets]
    return data[8:10] == b"CR" or _DNG_VERSION in found or any(_is_sensor(each) for each in (found, *subfiles))


def _is_sensor(directory: Tags) -> bool:
    absent: Values = (0,)
    return (
        directory.get(_PHOTOMETRIC, absent)[0] in (_CFA, _LINEAR_RAW)
        or directory.get(_COMPRESSION, absent)[0] in _RAW_COMPRESSIONS
    )
