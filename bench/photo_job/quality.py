"""How good variants look: their SSIMULACRA2, and the bytes that they take. Speed alone would be easy.

SSIMULACRA2 (https://github.com/cloudinary/ssimulacra2) is 100 for the same picture and falls without an end; of all
measures it agrees best with people about compressed photos. The reference is the photo, decoded in full and scaled by
Lanczos to the size of each variant: contenders round sizes differently by a pixel.

It compares at six scales, and leaves out those at which a picture has less than 8 px a side; then a score tells more of
a picture's size than of its quality. So a small picture is compared together with its mirror images.

A variant's score moves by half a point with things that nobody chose, such as where a filter's samples fall. So a goal
is set for the mean and the lowest of several photos, and lets 0.1 points go.
"""

import io
import math
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from bench import harness, interleaved_runs
from bench.photo_job import sharp
from bench.photo_job.contender import Contender, Variants
from bench.photo_job.photos import DrawnPhoto
from regions.image_limits import VARIANT_SIZES

TOLERANCE = 0.1
"""In points of SSIMULACRA2."""

_LEAST_SIDE_PX = 8 * 2**5

Scores = Mapping[int, float]
"""By size."""


def rows(contenders: Mapping[str, Contender], photos: Sequence[DrawnPhoto]) -> list[harness.Measurement]:
    made = {name: [contender.variants(photo) for photo in photos] for name, contender in contenders.items()}
    scores = _scores(made, photos)
    judged = [
        _row(f"SSIMULACRA2 at {size} px, {what} of {len(photos)} photos", size, scores, of)
        for size in VARIANT_SIZES
        for what, of in (("mean", statistics.fmean), ("lowest", min))
    ]
    sizes_kb = {name: statistics.fmean(map(_kilobytes, variants)) for name, variants in made.items()}
    return [*judged, interleaved_runs.row("all variants of a photo", "kB", sizes_kb, None, more_is_better=False)]


def _row(
    figure: str, size: int, scores: Mapping[str, Sequence[Scores]], of: Callable[[Sequence[float]], float]
) -> harness.Measurement:
    values = {name: of([each[size] for each in by_photo]) for name, by_photo in scores.items()}
    missing = {name: advice for name, advice in sharp.MISSING.items() if name not in values}
    return harness.compare(
        figure,
        "points",
        values.pop("ours"),
        values,
        more_is_better=True,
        goal=-TOLERANCE,
        basis=harness.Basis.LEAD,
        beside=tuple(sharp.MISSING),
        missing=missing,
    )


def _scores(made: Mapping[str, Sequence[Variants]], photos: Sequence[DrawnPhoto]) -> dict[str, list[Scores]]:
    """Photo by photo, so that only few references are in memory; on all cores."""
    with ProcessPoolExecutor() as processes:
        found = [
            processes.submit(_scores_of_one, photo.data, {name: variants[number] for name, variants in made.items()})
            for number, photo in enumerate(photos)
        ]
        results = [one.result() for one in found]
    return {name: [scores[name] for scores in results] for name in made}


def _scores_of_one(data: bytes, made: Mapping[str, Variants]) -> dict[str, Scores]:
    full = Image.open(io.BytesIO(data)).convert("RGB")
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: {size: _score(full, jpeg, Path(folder)) for size, jpeg in variants.items()}
            for name, variants in made.items()
        }


def _score(full: Image.Image, jpeg: bytes, folder: Path) -> float:
    # Not at the top: the tests of this package run without the extra `bench`.
    from ssimulacra2 import compute_ssimulacra2

    variant = Image.open(io.BytesIO(jpeg)).convert("RGB")
    pictures = {"reference": full.resize(variant.size, Image.Resampling.LANCZOS), "variant": variant}
    for name, picture in pictures.items():
        with_mirror_images(picture).save(folder / f"{name}.png", compress_level=1)
    return float(compute_ssimulacra2(*(str(folder / f"{name}.png") for name in pictures)))


def with_mirror_images(picture: Image.Image) -> Image.Image:
    """So often, to the right and below, that six scales fit."""
    more = [(0, side * (math.ceil(_LEAST_SIDE_PX / side) - 1)) for side in (picture.height, picture.width)]
    return Image.fromarray(np.pad(np.asarray(picture), (*more, (0, 0)), mode="symmetric"))


def _kilobytes(variants: Variants) -> float:
    return sum(map(len, variants.values())) / 1000
