"""Directories of tags, as TIFF and EXIF have them (TIFF 6.0, section 2). Pure.

A small file can name thousands of values that all lie in the same place, each as long as the file. So only the tags
that somebody asks for are read, each once, and no directory leads to another by itself.
"""

import struct
from collections.abc import Collection, Mapping, Sequence

Values = Sequence[float]
Tags = Mapping[int, Values]

MAX_VALUE_BYTES = 4 << 20
"""A longer value counts as absent. A million strips of a picture, or the profile of a printer, are shorter."""

_NUMBERS = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I"}
"""Short, long, the same with a sign, and the offset of a directory."""
_BYTES = (1, 2, 6, 7, 129)
_RATIONALS = {5: "I", 10: "i"}
_ENTRY_BYTES = 12


def byte_order(data: bytes) -> str | None:
    """For `struct`; None if no directory can follow."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])


def first_directory(data: bytes, order: str) -> int:
    """Its offset; 0, where none can be, if there is none."""
    return int(struct.unpack(f"{order}I", data[4:8])[0]) if len(data) >= 8 else 0


def read(data: bytes, order: str, offset: int, wanted: Collection[int]) -> Tags:
    """The values of the wanted tags: bytes for bytes and texts, else numbers. What can't be read is left out."""
    tags: dict[int, Values] = {}
    if offset < 8 or offset + 2 > len(data):
        return tags
    (count,) = struct.unpack(f"{order}H", data[offset : offset + 2])
    start = offset + 2
    for at in range(start, min(start + _ENTRY_BYTES * count, len(data) - _ENTRY_BYTES + 1), _ENTRY_BYTES):
        (tag,) = struct.unpack(f"{order}H", data[at : at + 2])
        if tag in wanted and tag not in tags and (values := _values(data, order, at)):
            tags[tag] = values
    return tags


def _values(data: bytes, order: str, at: int) -> Values:
    """Those of the entry at `at`; empty if they are not all in the file."""
    kind, count = struct.unpack(f"{order}HI", data[at + 2 : at + 8])
    size_bytes = count * _size_bytes(kind)
    if size_bytes > MAX_VALUE_BYTES:
        return ()
    start = at + 8 if size_bytes <= 4 else struct.unpack(f"{order}I", data[at + 8 : at + 12])[0]
    body = data[start : start + size_bytes]
    if len(body) < size_bytes:
        return ()
    if kind in _NUMBERS:
        return struct.unpack(f"{order}{count}{_NUMBERS[kind]}", body)
    if kind in _RATIONALS:
        parts = struct.unpack(f"{order}{2 * count}{_RATIONALS[kind]}", body)
        return tuple(_quotient(*pair) for pair in zip(parts[::2], parts[1::2], strict=True))
    return body


def _size_bytes(kind: int) -> int:
    """Of one value; 0 for types that nothing here needs, such as floating-point numbers."""
    if kind in _NUMBERS:
        return struct.calcsize(f"<{_NUMBERS[kind]}")
    return 8 if kind in _RATIONALS else int(kind in _BYTES)


def _quotient(above: int, below: int) -> float:
    return above / below if below else float("nan")
