"""The facts that every type of file states, and the reasons why a file can't become a photo. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class InvalidImage(Exception):
    """The file can't become a photo. `code` is stable; `detail` is a sentence for people that says what they can do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def not_an_image() -> InvalidImage:
    return InvalidImage("not-an-image", "the file is not a JPEG, PNG, WebP, HEIC, AVIF, GIF, TIFF or BMP image")


def truncated() -> InvalidImage:
    return InvalidImage(
        "truncated",
        "the file ends before the picture does; it was cut short, perhaps while it was copied: upload the original",
    )


def damaged() -> InvalidImage:
    return InvalidImage("damaged", "the file is damaged and can't be read as an image; upload another copy of it")


def unsupported(what: str) -> InvalidImage:
    """`what` completes the sentence "the picture is …"."""
    return InvalidImage(
        "unsupported", f"the picture is {what}, which can't be read here; save it as a JPEG and upload that"
    )


class Icc(NamedTuple):
    """An embedded ICC profile."""

    profile: bytes


class Cicp(NamedTuple):
    """Colour primaries and transfer characteristics by their numbers in ITU-T H.273 (2 is "unspecified")."""

    primaries: int
    transfer: int


class Calibrated(NamedTuple):
    """Light is the value to the power of `gamma`; `chromaticities` are x and y of white, red, green and blue."""

    gamma: float
    chromaticities: tuple[float, float, float, float, float, float, float, float]


def calibrated(gamma: float, chromaticities: Sequence[float]) -> Calibrated | None:
    """None if these can't be the numbers of any display: files may contain anything."""
    if len(chromaticities) != 8 or not 0.2 < gamma < 5 or not all(0 < value < 1 for value in chromaticities):
        return None
    _, _, rx, ry, gx, gy, bx, by = chromaticities
    if abs((gx - rx) * (by - ry) - (bx - rx) * (gy - ry)) < 0.01:
        return None
    return Calibrated(gamma, tuple(chromaticities))  # type: ignore[arg-type]


Colour = Icc | Cicp | Calibrated | None
"""What the numbers of a picture mean. None is sRGB, as for files that say nothing."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`width` and `height` are those of the stored picture in pixels.

    `exif` starts with its TIFF header. `stream` is what a decoder is to read. It decodes without a warning if the
    picture is whole.
    """

    width: int
    height: int
    stream: bytes
    exif: bytes = b""
    colour: Colour = None
