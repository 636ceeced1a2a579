"""All work on pixels: reads a header, decodes, resizes and encodes. The only module that knows libvips.

Every file is treated as hostile until it is decoded: its type is read from its first bytes, its size from its header
before a pixel is decoded, and every error of libvips becomes `InvalidImage`. Pictures that leave this module are
upright, sRGB and opaque, and have no metadata.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pillow_heif
import pyvips
from numpy.typing import NDArray

from regions.image_limits import AVIF, HEIC, JPEG, MAX_PIXELS, MAX_SIDE_PX, PNG, VARIANT_SIZES, WEBP

log = logging.getLogger(__name__)

GREY_SIDE_PX = 64
"""The side of the square grey picture that fingerprints are made from: the input size of imagehash's DCT."""

RECIPE = 1
"""Stands in the names of all variants that `render` makes.

Raise it by one with every change after which a photo that is processed again would get other bytes: in `decode` or
`render`, their constants, or the version of libvips or of a codec. Browsers and edges cache what a URL gives, so that
must never change. A new recipe gives new URLs, and the old ones go on giving the old bytes.
"""

_QUALITY = 85
_MASTER_WIDTH_PX = max(VARIANT_SIZES)
_JPEG_SHRINKS = (8, 4, 2)
# A JPEG decoder may shrink, by leaving out frequencies, to no less than this many times the master's width. Measured
# at 1080 px after encoding, against a full decode and Lanczos: SSIM falls by 0.0005 at 1.85 times (a phone's 12 MP),
# by 0.0003 at 2, by 0.0008 at 1.5; and 12 MP take about a sixth less time. `bench/photos.py` publishes both.
_DECODED_TO_MASTER = 1.8
# Box-shrink first only while at least this factor is left for Lanczos. With libvips' default of 2, the smallest
# variant is 7 dB worse, and no time is gained.
_GAP = 3.0
_SIDEWAYS = (5, 6, 7, 8)
"""The EXIF orientations that exchange width and height."""

_BRANDS: Mapping[bytes, str] = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
}
_MAX_TEXT_CHARS = 100
_DAMAGED = ("damaged", "the file is damaged and can't be read as an image")
# libvips has no error codes, so these are words of its messages, in lower case, with the code and the detail that
# each becomes. The first match counts.
_ERRORS: Sequence[tuple[Sequence[str], tuple[str, str]]] = (
    (
        ("premature end", "truncat", "end of stream", "unexpected end", "end of file", "eof", "read error"),
        ("truncated", "the file ends before the picture does"),
    ),
    (
        ("unsupported", "no decoding plugin"),
        ("unsupported", "the picture is compressed in a way that can't be read here"),
    ),
)

Image = Any
"""A `pyvips.Image`: pyvips has no type hints."""

pyvips.block_untrusted_set(True)
pyvips.cache_set_max(0)
pyvips.vips_lib.vips_concurrency_set(1)


class InvalidImage(Exception):
    """The file can't become a photo. `code` is stable; `detail` is a sentence for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Header:
    """What a file claims about itself. `width` and `height` are those of the upright picture, in pixels."""

    content_type: str
    width: int
    height: int
    taken_at: str | None
    camera: str | None


@dataclass(frozen=True, slots=True)
class Master:
    """The upright picture in sRGB, as wide as the widest variant. All variants are made from it."""

    pixels: Image


@dataclass(frozen=True, slots=True)
class Rendering:
    """One JPEG. Its width is `size`, or the width of the raw if that is narrower."""

    size: int
    width: int
    height: int
    data: bytes


def content_type(data: bytes) -> str:
    """The type by the first bytes alone; what the client claims does not count. Raises InvalidImage."""
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[4:8] == b"ftyp" and (brand := _BRANDS.get(data[8:12])):
        # The major brand `mif1` means only "an image"; the compatible brands behind it tell AVIF from HEIC.
        return AVIF if b"avif" in data[8:64] else brand
    raise InvalidImage("not-an-image", "the file is not a JPEG, PNG, WebP, HEIC or AVIF image")


def read_header(data: bytes, file_type: str) -> Header:
    """Decodes no pixel. Raises InvalidImage."""
    with _libvips_errors_as_invalid_image():
        image = _load(data, file_type)
    width, height = image.width, image.height
    if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE_PX} pixels a side"
        raise InvalidImage("too-many-pixels", f"the photo is {width} × {height} pixels; the limit is {limit}")
    if _orientation(image) in _SIDEWAYS:
        width, height = height, width
    return Header(file_type, width, height, _taken_at(image), _camera(image))


def decode(data: bytes, header: Header) -> Master:
    """Reads every pixel once, from top to bottom, and keeps only the master. Raises InvalidImage.

    The order saves memory and time: the picture is shrunk while it streams by, and only the few pixels that are left
    are rotated upright and converted to sRGB. The result is the same as rotating first, which would need the whole
    raw in memory.
    """
    with _libvips_errors_as_invalid_image():
        width_px = min(_MASTER_WIDTH_PX, header.width)
        height_px = max(1, round(header.height * width_px / header.width))
        image = _load(data, header.content_type, _jpeg_shrink(header, width_px))
        if header.content_type == HEIC:
            image = _decode_heic(data, header)
        if _orientation(image) in _SIDEWAYS:
            width_px, height_px = height_px, width_px
        small = _resize(_flatten(image), width_px, height_px).copy_memory()
        return Master(_to_srgb(small.autorot()).copy_memory())


def grey(master: Master) -> NDArray[np.uint8]:
    """The picture squeezed into a square of `GREY_SIDE_PX` × `GREY_SIDE_PX` grey levels, whatever its shape."""
    pixels: NDArray[np.uint8] = _resize(master.pixels, GREY_SIDE_PX, GREY_SIDE_PX).colourspace("b-w").numpy()
    return pixels.reshape(GREY_SIDE_PX, GREY_SIDE_PX)


def render(master: Master) -> list[Rendering]:
    """One rendering per size. None is enlarged, so several sizes of a narrow photo share one JPEG."""
    width, height = master.pixels.width, master.pixels.height
    widths = {size: min(size, width) for size in VARIANT_SIZES}
    heights = {width_px: max(1, round(height * width_px / width)) for width_px in widths.values()}
    jpegs: dict[int, bytes] = {
        width_px: _resize(master.pixels, width_px, height_px).jpegsave_buffer(
            Q=_QUALITY, optimize_coding=True, keep="none"
        )
        for width_px, height_px in heights.items()
    }
    return [Rendering(size, width_px, heights[width_px], jpegs[width_px]) for size, width_px in widths.items()]


@contextmanager
def _libvips_errors_as_invalid_image() -> Iterator[None]:
    try:
        yield
    except pyvips.Error as error:
        message = " ".join(f"{error.message} {error.detail}".split())
        log.info("libvips rejected a file", extra={"error": message})
        lowered = message.lower()
        found = (becomes for words, becomes in _ERRORS if any(word in lowered for word in words))
        raise InvalidImage(*next(found, _DAMAGED)) from error


def _load(data: bytes, file_type: str, shrink: int = 1) -> Image:
    """Uses the loader of this type and no other, so that a file can't choose its own."""
    options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    if file_type == JPEG:
        return pyvips.Image.jpegload_buffer(data, shrink=shrink, **options)
    if file_type == PNG:
        return pyvips.Image.pngload_buffer(data, **options)
    if file_type == WEBP:
        return pyvips.Image.webpload_buffer(data, **options)
    return pyvips.Image.heifload_buffer(data, **options)


def _decode_heic(data: bytes, header: Header) -> Image:
    """iPhones compress HEIC with HEVC. For its patents the libvips wheels leave that decoder out; pillow-heif has one.

    The result is upright already: the container of a HEIF file defines its rotation, whatever its EXIF says.
    """
    try:
        decoded = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
        pixels = np.asarray(decoded)
    except (ValueError, OSError, RuntimeError, EOFError, SyntaxError) as error:
        raise InvalidImage(*_DAMAGED) from error
    if pixels.shape[:2] != (header.height, header.width):
        raise InvalidImage("damaged", "the size of the picture is not the one in its header")
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    if profile := decoded.info.get("icc_profile"):
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def _jpeg_shrink(header: Header, master_width_px: int) -> int:
    """The factor by which the JPEG decoder shrinks by leaving out frequencies (libjpeg's scaled DCT)."""
    max_shrink = header.width / (master_width_px * _DECODED_TO_MASTER)
    return next((shrink for shrink in _JPEG_SHRINKS if shrink <= max_shrink), 1)


def _resize(image: Image, width_px: int, height_px: int) -> Image:
    if (image.width, image.height) == (width_px, height_px):
        return image
    return image.resize(width_px / image.width, vscale=height_px / image.height, kernel="lanczos3", gap=_GAP)


def _flatten(image: Image) -> Image:
    """Blends onto white. Done before pixels are mixed, so that colours hidden by transparency don't shine through."""
    if not image.hasalpha():
        return image
    return image.flatten(background=65535 if image.format == "ushort" else 255)


def _to_srgb(image: Image) -> Image:
    """Converts by the embedded profile; if there is none, or libvips can't use it, by the file's colour space."""
    if image.get_typeof("icc-profile-data"):
        try:
            converted = image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
            return converted.copy_memory()
        except pyvips.Error:
            image = image.copy()
            image.remove("icc-profile-data")
    return image.colourspace("srgb")


def _orientation(image: Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) if it is missing or invalid."""
    value = image.get("orientation") if image.get_typeof("orientation") else 1
    return value if value in range(1, 9) else 1


def _taken_at(image: Image) -> str | None:
    """ISO 8601, with the offset from UTC if the camera wrote one; None if the camera wrote no valid time."""
    text = _exif(image, "exif-ifd2-DateTimeOriginal") or _exif(image, "exif-ifd0-DateTime") or ""
    try:
        taken = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    offset = _exif(image, "exif-ifd2-OffsetTimeOriginal") or ""
    return taken.isoformat() + (offset if re.fullmatch(r"[+-]\d\d:\d\d", offset, re.ASCII) else "")


def _camera(image: Image) -> str | None:
    make, model = _exif(image, "exif-ifd0-Make") or "", _exif(image, "exif-ifd0-Model") or ""
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    return camera.strip()[:_MAX_TEXT_CHARS] or None


def _exif(image: Image, field: str) -> str | None:
    """The printable text of a field. libvips writes `VALUE (VALUE, ASCII, 20 components, 20 bytes)`."""
    if not image.get_typeof(field):
        return None
    try:
        text = str(image.get(field))
    except UnicodeDecodeError:
        return None
    found = re.fullmatch(r"(.*) \(.*, ASCII, \d+ components, \d+ bytes\)", text, re.DOTALL)
    return "".join(filter(str.isprintable, found[1])).strip() if found else None
