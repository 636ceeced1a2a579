"""What a raw is, before a pixel is decoded: its facts, checked against the limits."""

from dataclasses import dataclass

from processing.formats import camera, detect
from processing.formats.facts import Colour, InvalidImage, damaged
from regions.image_limits import AVIF, HEIC, MAX_PIXELS, MAX_SIDE_PX
from regions.records import Location

_UPRIGHT = (HEIC, AVIF)
"""Their containers say how to turn the picture, and their decoders do. What the EXIF says of it does not count."""

_SIDEWAYS = (5, 6, 7, 8)
"""The EXIF orientations that exchange width and height."""


@dataclass(frozen=True, slots=True)
class Header:
    """`width` and `height` are those of the upright picture, in pixels; `stream` is what the decoder is to read."""

    content_type: str
    width: int
    height: int
    orientation: int
    colour: Colour
    taken_at: str | None
    camera: str | None
    location: Location | None
    stream: bytes

    @property
    def is_sideways(self) -> bool:
        return self.orientation in _SIDEWAYS


def read_header(data: bytes, max_pixels: int = MAX_PIXELS) -> Header:
    """Decodes no pixel. Raises InvalidImage."""
    content_type, facts = detect.read(data)
    _check_size(facts.width, facts.height, max_pixels)
    seen = camera.read(facts.exif)
    orientation = 1 if content_type in _UPRIGHT else seen.orientation
    width, height = (facts.height, facts.width) if orientation in _SIDEWAYS else (facts.width, facts.height)
    return Header(
        content_type,
        width,
        height,
        orientation,
        facts.colour or seen.colour,
        seen.taken_at,
        seen.camera,
        seen.location,
        facts.stream,
    )


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise damaged()
    if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > max_pixels:
        limit = f"{max_pixels // 1_000_000} megapixels and {MAX_SIDE_PX} pixels a side"
        raise InvalidImage(
            "too-many-pixels", f"the photo is {width} × {height} pixels; the limit is {limit}: upload a smaller version"
        )
