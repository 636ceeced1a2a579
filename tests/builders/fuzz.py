"""Files that are nearly right: each is made from whole ones by a seed and a number, so that it can be made again."""

import random
import struct
import zlib
from collections.abc import Callable, Sequence

from tests.builders import pictures, pngs

_EXTREMES = (b"\0", b"\xff", b"\0\0", b"\xff\xff", b"\x7f\xff", b"\x80\0", bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff")
_MOST_MUTATIONS = 3


def fuzzed(seed: int, number: int) -> tuple[str, bytes]:
    """What was done to which file, and the result."""
    chance, files = random.Random(f"{seed}/{number}"), pictures.whole_files()
    name = chance.choice(sorted(files))
    data, done = files[name], []
    for _ in range(chance.randint(1, _MOST_MUTATIONS)):
        mutate = chance.choice(_MUTATIONS)
        data = mutate(chance, name, data)
        done.append(mutate.__name__.strip("_"))
    if name.startswith("PNG") and chance.random() < 0.8:
        data = _with_checksums(data)
    return f"{name}: {', '.join(done)}", data


def _flip(chance: random.Random, name: str, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8)) if data else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncate(chance: random.Random, name: str, data: bytes) -> bytes:
    return data[: chance.randint(0, len(data))]


def _overwrite(chance: random.Random, name: str, data: bytes) -> bytes:
    """A field becomes 0, or as large as it can be; most fields are near the start."""
    at = int(len(data) * chance.random() ** 3)
    new = chance.choice(_EXTREMES)
    return (data[:at] + new + data[at + len(new) :])[: max(len(data), 1)]


def _splice(chance: random.Random, name: str, data: bytes) -> bytes:
    """The rest is that of another file of the same family, or of any."""
    files = pictures.whole_files()
    family = [other for other in sorted(files) if other[:4] == name[:4]]
    other = files[chance.choice(family if chance.random() < 0.7 else sorted(files))]
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _repeat(chance: random.Random, name: str, data: bytes) -> bytes:
    """A part stands there many times."""
    start = chance.randint(0, len(data))
    part = data[start : start + chance.choice((1, 8, 64, 512))]
    return data[:start] + part * chance.choice((2, 16, 256)) + data[start:]


def _remove(chance: random.Random, name: str, data: bytes) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + data[start + chance.choice((1, 4, 32)) :]


_MUTATIONS: Sequence[Callable[[random.Random, str, bytes], bytes]] = (
    _flip, _flip, _truncate, _overwrite, _overwrite, _splice, _repeat, _remove,
)  # fmt: skip


def _with_checksums(data: bytes) -> bytes:
    """Of a PNG, so that what was changed reaches its decoder."""
    fixed, position = bytearray(data), len(pngs.SIGNATURE)
    while position + 12 <= len(fixed):
        (length,) = struct.unpack(">I", fixed[position : position + 4])
        end = position + 8 + length
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = struct.pack(">I", zlib.crc32(fixed[position + 4 : end]))
        position = end + 4
    return bytes(fixed)
