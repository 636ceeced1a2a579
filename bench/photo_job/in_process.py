"""Those that are Python: ours, and Pillow."""

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

from bench import interleaved_runs
from bench.photo_job.contender import QUALITY, Variants
from bench.photo_job.photos import DrawnPhoto
from processing import fingerprints
from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import grey, render, scale
from regions.image_limits import VARIANT_SIZES


@dataclass(frozen=True, slots=True)
class InProcess:
    """A contender that is a function of this process."""

    make: Callable[[bytes], Variants]

    def variants(self, photo: DrawnPhoto) -> Variants:
        return self.make(photo.data)

    def core_s(self, photo: DrawnPhoto) -> float:
        return interleaved_runs.spent(lambda: self.make(photo.data))["core_s"]


def ours(data: bytes) -> Variants:
    """The job's steps from the header on. Only we also compute the perceptual hash."""
    pictures = scale(decode(read_header(data)))
    fingerprints.perceptual_hash(grey(pictures))
    return {rendering.size: rendering.data for rendering in render(pictures)}


def pillow(data: bytes) -> Variants:
    """As its manual says, and at its best quality: Lanczos on a reduced picture, and small JPEGs."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    image.resize((64, 64), Image.Resampling.LANCZOS, reducing_gap=3.0).convert("L").tobytes()
    variants = {}
    for width in VARIANT_SIZES:
        shape = (width, round(image.height * width / image.width))
        file = io.BytesIO()
        small = image.resize(shape, Image.Resampling.LANCZOS, reducing_gap=3.0)
        small.save(file, "JPEG", quality=QUALITY, optimize=True)
        variants[width] = file.getvalue()
    return variants
