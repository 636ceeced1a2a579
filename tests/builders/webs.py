"""WebP and GIF files, and where their parts begin."""

import io
import struct
from typing import Any

import numpy as np

from tests.builders import scenes
from tests.builders.scenes import Pixels


def webp(pixels: Pixels, mode: str = "RGB", frames: list[Pixels] | None = None, **options: Any) -> bytes:
    """By Pillow: `lossless`, `quality`, `exif`, `icc_profile`."""
    return _saved("WEBP", pixels, mode, frames, **options)


def gif(pixels: Pixels, frames: list[Pixels] | None = None, **options: Any) -> bytes:
    """By Pillow, with its palette; `interlace`, `transparency`."""
    return _saved("GIF", pixels, "P", frames, **options)


def _saved(kind: str, pixels: Pixels, mode: str, frames: list[Pixels] | None, **options: Any) -> bytes:
    if frames:
        options |= {"save_all": True, "append_images": [scenes.image(each, mode) for each in frames], "duration": 50}
    file = io.BytesIO()
    source = scenes.image(pixels, mode) if mode != "RGBA" else scenes.image(pixels).convert("RGB")
    if mode == "RGBA":
        source.putalpha(scenes.image(np.linspace(0, 255, pixels.shape[1])[None].repeat(pixels.shape[0], 0), "L"))
    source.save(file, kind, **options)
    return file.getvalue()


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(each)) + each + bytes(len(each) % 2) for name, each in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def riff_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, position = [], 12
    while position + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[position : position + 8])
        found.append((name, data[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    return found


def riff_starts(data: bytes) -> list[int]:
    found, position = [0, 8, 12], 12
    for _, body in riff_chunks(data):
        found += [position, position + 8]
        position += 8 + len(body) + len(body) % 2
    return [*found, len(data)]


def gif_starts(data: bytes) -> list[int]:
    """Where the tables, the blocks and their sub-blocks begin, and the end of the file."""
    position = 13 + _table(data[10])
    found = [0, 6, 13, position]
    while position < len(data) and data[position] != 0x3B:
        is_image = data[position] == 0x2C
        position += 11 + _table(data[position + 9]) if is_image else 2
        found.append(position)
        while length := data[position]:
            position += 1 + length
            found.append(position)
        position += 1
        found.append(position)
    return sorted({*found, len(data)})


def _table(flags: int) -> int:
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def webp_kinds(pixels: Pixels) -> dict[str, bytes]:
    return {
        "lossy": webp(pixels, quality=92),
        "lossless": webp(pixels, lossless=True),
        "lossy with alpha": webp(pixels, "RGBA", quality=92),
        "lossless with alpha": webp(pixels, "RGBA", lossless=True),
        "animated": webp(pixels, frames=[pixels[::-1]], lossless=True),
    }


def gif_kinds(pixels: Pixels) -> dict[str, bytes]:
    return {
        "plain": gif(pixels, interlace=0),
        "interlaced": gif(pixels, interlace=1),
        "transparent": gif(pixels, transparency=int(np.asarray(scenes.image(pixels, "P"))[0, 0])),
        "animated": gif(pixels, frames=[pixels[::-1], pixels[:, ::-1]]),
    }
