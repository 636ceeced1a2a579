"""Everything that is done with pixels, and the only module that knows libvips.

A file is hostile until it is drawn: its type is read from its bytes, its size from its header before a
pixel is decoded, and whatever libvips says against it becomes `InvalidImage`. What leaves here is upright, sRGB,
opaque, and carries no metadata.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import pillow_heif
import pyvips
from numpy.typing import NDArray

from regions.image_limits import VARIANT_SIZES

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

MAX_PIXELS = 120_000_000
MAX_SIDE_PX = 30_000
GREY_SIDE_PX = 32
"""The side of the square grey picture that fingerprints are made from: what imagehash's DCT takes."""

JPEG, PNG, WEBP, HEIC, AVIF = "image/jpeg", "image/png", "image/webp", "image/heic", "image/avif"

_QUALITY = 85
_WIDEST_PX = max(VARIANT_SIZES)
_JPEG_SHRINKS = (8, 4, 2)
# A JPEG decoder may shrink, by leaving out frequencies, to no less than this many times the master's width. Measured
# at 1080 px after encoding, against a full decode and Lanczos: SSIM falls by 0.0005 at 1.85 times (a phone's 12 MP),
# by 0.0003 at 2, by 0.0008 at 1.5; and 12 MP take about a sixth less time. `bench/photos.py` publishes both.
_DECODED_TO_MASTER = 1.8
# Box-shrink first while at least this factor is left for Lanczos: with 2, libvips' default, the smallest
# variant is 7 dB worse for no gain in time.
_GAP = 3.0
_TURNED = (5, 6, 7, 8)
_BRANDS: Mapping[bytes, str] = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
}
_MAX_TEXT_CHARS = 100
# libvips has no error codes: these are words of its messages.
_CUT_SHORT = ("premature end", "truncat", "end of stream", "unexpected end", "end of file", "eof", "read error")
_NO_CODEC = ("unsupported", "no decoding plugin")

Image = Any
"""A `pyvips.Image`, which has no types."""

pyvips.block_untrusted_set(True)
pyvips.cache_set_max(0)
pyvips.vips_lib.vips_concurrency_set(1)


class InvalidImage(Exception):
    """A photo that can't be taken: a stable code, and a sentence for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. `width` and `height` are those of the upright picture."""

    content_type: str
    width: int
    height: int
    taken_at: str | None
    camera: str | None


@dataclass(frozen=True, slots=True)
class Master:
    """The upright picture in sRGB, as wide as the widest variant, from which all variants are made."""

    pixels: Image


@dataclass(frozen=True, slots=True)
class Rendering:
    """One JPEG. Its width is `size`, or that of the raw where the raw is narrower."""

    size: int
    width: int
    height: int
    data: bytes


def content_type(data: bytes) -> str:
    """From the first bytes alone. Raises InvalidImage."""
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[4:8] == b"ftyp" and (brand := _BRANDS.get(data[8:12])):
        # `mif1` says only that it is a picture; the compatible brands say of which kind.
        return AVIF if b"avif" in data[8:64] else brand
    raise InvalidImage("not-an-image", "the file is no JPEG, PNG, WebP, HEIC or AVIF image")


def read_header(data: bytes, kind: str) -> Header:
    """Decodes no pixel. Raises InvalidImage."""
    image = _asking(lambda: _load(data, kind))
    width, height = image.width, image.height
    if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE_PX} pixels a side"
        raise InvalidImage("too-many-pixels", f"the photo is {width} × {height} pixels; the limit is {limit}")
    if _orientation(image) in _TURNED:
        width, height = height, width
    return Header(kind, width, height, _taken_at(image), _camera(image))


def decode(data: bytes, header: Header) -> Master:
    """Reads every pixel once, from top to bottom, and keeps only the master. Raises InvalidImage.

    The size is that of the upright picture; the turn itself is done on the few pixels that are left, with
    the same result and without holding the raw in memory. So is the colour: all that is left is converted.
    """
    return _asking(lambda: _decode(data, header))


def grey(master: Master) -> NDArray[np.uint8]:
    """The picture as `GREY_SIDE_PX` squared grey levels, whatever its shape."""
    pixels: NDArray[np.uint8] = _resize(master.pixels, GREY_SIDE_PX, GREY_SIDE_PX).colourspace("b-w").numpy()
    return pixels.reshape(GREY_SIDE_PX, GREY_SIDE_PX)


def render(master: Master) -> list[Rendering]:
    """One rendering for each of `VARIANT_SIZES`; never enlarged, so that narrow photos have some that are alike."""
    width, height = master.pixels.width, master.pixels.height
    heights = {wide: max(1, round(height * wide / width)) for wide in (min(size, width) for size in VARIANT_SIZES)}
    drawn = {wide: _save(_resize(master.pixels, wide, high)) for wide, high in heights.items()}
    return [Rendering(size, wide := min(size, width), heights[wide], drawn[wide]) for size in VARIANT_SIZES]


def _decode(data: bytes, header: Header) -> Master:
    wide = min(_WIDEST_PX, header.width)
    high = max(1, round(header.height * wide / header.width))
    image = _load(data, header.content_type, _jpeg_shrink(header, wide))
    if header.content_type == HEIC:
        image = _heic(data, header)
    across, down = (high, wide) if _orientation(image) in _TURNED else (wide, high)
    small = _resize(_flatten(image), across, down).copy_memory()
    return Master(_to_srgb(small.autorot()).copy_memory())


def _load(data: bytes, kind: str, shrink: int = 1) -> Image:
    """The loader of that type and no other, so that a file can't choose one."""
    options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    if kind == JPEG:
        return pyvips.Image.jpegload_buffer(data, shrink=shrink, **options)
    if kind == PNG:
        return pyvips.Image.pngload_buffer(data, **options)
    if kind == WEBP:
        return pyvips.Image.webpload_buffer(data, **options)
    return pyvips.Image.heifload_buffer(data, **options)


def _heic(data: bytes, header: Header) -> Image:
    """HEVC, as iPhones write it, is left out of the libvips wheels for its patents; pillow-heif's bring a decoder.

    Upright already: a HEIF file is turned by its container, whatever its EXIF says.
    """
    try:
        decoded = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
        pixels = np.asarray(decoded)
    except (ValueError, OSError, RuntimeError, EOFError, SyntaxError) as error:
        raise InvalidImage("damaged", "the file is damaged and can't be read as an image") from error
    if pixels.shape[:2] != (header.height, header.width):
        raise InvalidImage("damaged", "the picture is of another size than its header says")
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    if profile := decoded.info.get("icc_profile"):
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def _jpeg_shrink(header: Header, master_width: int) -> int:
    """How much the JPEG decoder may shrink by leaving out frequencies (libjpeg's scaled DCT)."""
    most = header.width / (master_width * _DECODED_TO_MASTER)
    return next((shrink for shrink in _JPEG_SHRINKS if shrink <= most), 1)


def _resize(image: Image, width: int, height: int) -> Image:
    if (image.width, image.height) == (width, height):
        return image
    return image.resize(width / image.width, vscale=height / image.height, kernel="lanczos3", gap=_GAP)


def _flatten(image: Image) -> Image:
    """Onto white, before pixels are mixed, so that nothing hidden behind transparency shines through."""
    if not image.hasalpha():
        return image
    return image.flatten(background=65535 if image.format == "ushort" else 255)


def _to_srgb(image: Image) -> Image:
    """By the embedded profile where there is one that fits; else by what the file's type implies."""
    if image.get_typeof("icc-profile-data"):
        try:
            converted = image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
            return converted.copy_memory()
        except pyvips.Error:
            image = image.copy()
            image.remove("icc-profile-data")
    return image.colourspace("srgb")


def _save(image: Image) -> bytes:
    data: bytes = image.jpegsave_buffer(Q=_QUALITY, optimize_coding=True, keep="none")
    return data


def _orientation(image: Image) -> int:
    """1 where there is none, and where its value is none of the eight."""
    value = image.get("orientation") if image.get_typeof("orientation") else 1
    return value if value in range(1, 9) else 1


def _taken_at(image: Image) -> str | None:
    """ISO 8601, with the offset from UTC where the camera wrote one; None where it is no real time."""
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


def _asking(work: Callable[[], _Answer]) -> _Answer:
    """What libvips holds against a file becomes InvalidImage."""
    try:
        return work()
    except pyvips.Error as error:
        said = " ".join(f"{error.message} {error.detail}".split())
        log.info("libvips refused a file", extra={"error": said})
        raise _refusal(said.lower()) from error


def _refusal(said: str) -> InvalidImage:
    if any(word in said for word in _CUT_SHORT):
        return InvalidImage("truncated", "the file ends before the picture does")
    if any(word in said for word in _NO_CODEC):
        return InvalidImage("unsupported", "the picture is compressed in a way that can't be read here")
    return InvalidImage("damaged", "the file is damaged and can't be read as an image")
