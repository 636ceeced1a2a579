"""The fast way for JPEGs, which most photos are: libjpeg-turbo (simplejpeg), into one buffer, scaled by eighths."""

import threading

import numpy as np
import simplejpeg
from cykooz_resizer.alpha import set_image_mode
from numpy.typing import NDArray
from PIL.Image import Image, frombuffer

from processing.formats.facts import Icc, InvalidImage, damaged, truncated
from processing.imaging.header import Header
from processing.imaging.scaling import scaled

# libjpeg-turbo is fast at these scales only: 12 MP take 26, 31, 34 and 48 ms at 1, 2, 4 and 8 eighths, but 39, 67, 73
# and 89 ms at 3, 5, 6 and 7.
_EIGHTHS = (1, 2, 4, 8)
# A decoder scales by leaving out frequencies, so at least this many times the master's size must be left. For 24 MP
# that is 4 eighths: 12 ms more than 2, and 0.4 to 1.9 points of SSIMULACRA2 at 1080 px.
_DECODED_TO_MASTER = 1.8
# At 1.85 times (12 MP), film grain still loses 0.3 points at 1080 px, heavy noise up to 3.7, and a fine weave 6.0. Such
# photos have many bytes a pixel. They are decoded larger, which takes a sixth to a third longer.
_BUSY_BYTES_PER_PX = 0.3
_BUSY_DECODED_TO_MASTER = 2.5
_LEAST_DECODED_PX = 100
# Of 4 bytes, for as long as the process lives. Only slim or very tall photos come near, and are left to libvips.
_MAX_DECODED_PX = 16_000_000
# libjpeg's words for a picture with missing pixels, and those among them for one whose data ends before its rows do.
_WARNINGS = ("Corrupt JPEG data", "Premature end")
_CUT_SHORT = ("premature end", "found marker 0xd9")


class _Buffer(threading.local):
    """New memory for each photo would cost 10 ms of page faults."""

    def __init__(self) -> None:
        self._pixels = np.empty(0, np.uint8)

    def pixels(self, count: int) -> NDArray[np.uint8]:
        if self._pixels.size < count:
            self._pixels = np.empty(count, np.uint8)
        return self._pixels[:count]


_buffer = _Buffer()


def decode(header: Header, shape: tuple[int, int]) -> Image | None:
    """The picture as it is stored, in its own colours, scaled to this width and height. None: leave it to libvips.

    Raises InvalidImage if pixels are missing or wrong: any warning of the decoder means that (`formats.jpeg`).
    """
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(header.stream)
    except ValueError:
        return None
    eighths = _eighths(len(header.stream), (width, height), shape)
    rows, columns = -(-height * eighths // 8), -(-width * eighths // 8)
    # Inks, and greys with a profile of their own, are not what comes out of here: red, green and blue.
    is_rgb = colours == "YCbCr" or (colours == "Gray" and not isinstance(header.colour, Icc))
    if not is_rgb or rows * columns > _MAX_DECODED_PX:
        return None
    try:
        pixels = simplejpeg.decode_jpeg(
            header.stream,
            "RGBX",
            min_height=rows,
            min_width=columns,
            strict=True,
            buffer=_buffer.pixels(rows * columns * 4),
        )
    except ValueError as error:
        if not any(words in str(error) for words in _WARNINGS):
            return None
        raise missing_pixels(str(error)) from error
    decoded = frombuffer("RGBX", (columns, rows), pixels, "raw", "RGBX", 0, 1)
    set_image_mode(decoded, "RGB")  # without a copy: Pillow keeps RGB in four bytes, too
    # The decoder fills up its last row and column, so its picture is a little larger than the photo.
    return scaled(decoded, shape, (width * eighths / 8, height * eighths / 8))


def missing_pixels(message: str) -> InvalidImage:
    """What a message of libjpeg means for people."""
    return truncated() if any(words in message.lower() for words in _CUT_SHORT) else damaged()


def _eighths(size_bytes: int, raw: tuple[int, int], shape: tuple[int, int]) -> int:
    """The scale to decode at, for this size of the file, of the raw, and of the master."""
    (width, height), (width_px, height_px) = raw, shape
    is_busy = size_bytes > _BUSY_BYTES_PER_PX * width * height
    least = (_BUSY_DECODED_TO_MASTER if is_busy else _DECODED_TO_MASTER) * max(width_px / width, height_px / height)
    # A slim picture must not lose the few rows that it has; what the decoder fills up must be under a hundredth.
    least = max(least, _LEAST_DECODED_PX / min(width, height))
    return next((eighths for eighths in _EIGHTHS if eighths >= 8 * least), 8)
