"""GIF89a: the first picture, whose blocks must all be there. Pure."""

import struct

from processing.formats.facts import Facts, damaged, truncated

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


def read(data: bytes) -> Facts:
    """`data` starts with the signature. An animation is its first picture. Raises InvalidImage."""
    if len(data) < 13:
        raise truncated()
    width, height, flags = struct.unpack("<HHB", data[6:11])
    position = 13 + _table_bytes(flags)
    while position < len(data):
        block = data[position]
        if block == _EXTENSION:
            position = _after_sub_blocks(data, position + 2)
        elif block == _IMAGE and position + 10 <= len(data):
            _after_sub_blocks(data, position + 11 + _table_bytes(data[position + 9]))
            return Facts(width, height, data)
        elif block == _TRAILER:
            raise damaged()
        else:
            raise damaged() if block != _IMAGE else truncated()
    raise truncated()


def _table_bytes(flags: int) -> int:
    """The length of a colour table, if the flags say that there is one."""
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, position: int) -> int:
    while position < len(data) and (length := data[position]):
        position += 1 + length
    if position >= len(data):
        raise truncated()
    return position + 1
