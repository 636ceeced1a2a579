"""The size that a stream of AV1 or HEVC says it has, whatever the container says: decoders take the memory for it.

A container of 3 kB may call a picture 64 px wide whose stream has 16,384. Pure.
"""

from collections.abc import Iterator

MOST_BYTES = 1_024
"""No part of a unit that has the size is longer."""

_SEQUENCE_HEADER, _SEQUENCE_PARAMETERS = 1, 33


class _Bits:
    """Numbers of so many bits. Raises IndexError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._number, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, bits: int) -> int:
        self._left -= bits
        if self._left < 0:
            raise IndexError
        return self._number >> self._left & (1 << bits) - 1

    def golomb(self) -> int:
        """An unsigned Exp-Golomb code (ITU-T H.265, 9.2), also called uvlc."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)


def of_open_unit(header: int, body: bytes) -> tuple[int, int] | None:
    """Width and height, if this unit of AV1 says so (AV1 specification, 5.5.1). Raises IndexError if it is cut."""
    if header >> 3 & 15 != _SEQUENCE_HEADER:
        return None
    bits = _Bits(body)
    bits.take(4)
    if bits.take(1):
        bits.take(5)
    else:
        _skip_operating_points(bits)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(across) + 1, bits.take(down) + 1


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            bits.golomb()
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_display_delay and bits.take(1):
            bits.take(4)


def of_unit(body: bytes) -> tuple[int, int] | None:
    """Width and height, if this unit of HEVC says so (ITU-T H.265, 7.3.2.2). Raises IndexError if it is cut."""
    if not body or body[0] >> 1 & 63 != _SEQUENCE_PARAMETERS:
        return None
    bits = _Bits(body[2:].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)
    _skip_layers(bits, layers)
    bits.golomb()
    if bits.golomb() == 3:
        bits.take(1)
    return bits.golomb(), bits.golomb()


def _skip_layers(bits: _Bits, layers: int) -> None:
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.take(88 * has_profile + 8 * has_level)


def of_configuration(body: bytes) -> Iterator[tuple[int, int]]:
    """The sizes in a box `hvcC` (ISO/IEC 14496-15, 8.3.3.1). Raises IndexError if it is too short."""
    position = 23
    for _ in range(body[22]):
        count, position = int.from_bytes(body[position + 1 : position + 3]), position + 3
        for _ in range(count):
            length = int.from_bytes(body[position : position + 2])
            if position + 2 + length > len(body):
                raise IndexError
            if size := of_unit(body[position + 2 : position + 2 + min(length, MOST_BYTES)]):
                yield size
            position += 2 + length
