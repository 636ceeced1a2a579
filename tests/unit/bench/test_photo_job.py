"""What the photo job's benchmark says of its contenders, and what it draws."""

import io

import numpy as np
import pytest
from PIL import Image

from bench import synthetic_photos
from bench.harness import GoalResult
from bench.photo_job import in_process, photos, quality, sharp, speed, whole_job
from processing import job
from regions.image_limits import VARIANT_SIZES


@pytest.mark.parametrize("make", [in_process.ours, in_process.pillow])
def test_contenders_make_a_variant_of_each_size(make):
    """As wide as its size, and of the same shape."""
    variants = make(synthetic_photos.jpeg(1, 1600, 1200))
    shapes = {size: Image.open(io.BytesIO(jpeg)).size for size, jpeg in variants.items()}
    assert {size: width for size, (width, _) in shapes.items()} == {size: size for size in VARIANT_SIZES}
    assert all(abs(height - width * 3 / 4) < 1 for width, height in shapes.values())


@pytest.mark.parametrize("draw", [synthetic_photos.scene, synthetic_photos.film, synthetic_photos.weave])
def test_photos_are_drawn_from_their_seed(draw):
    """So that every machine measures the same."""
    pixels = [np.asarray(draw(seed, 400, 304)) for seed in (1, 1, 2)]
    assert np.array_equal(pixels[0], pixels[1])
    assert not np.array_equal(pixels[0], pixels[2])


def test_sides_of_the_photos_are_multiples_of_eight():
    """Others would count against sharp, which displaces them."""
    assert not any(side % 8 for drawing in photos.DRAWINGS for side in drawing.shape)


class Taking:
    """A contender that says that it took so many seconds for a photo of each kind."""

    def __init__(self, **core_s):
        self._core_s = core_s

    def core_s(self, photo):
        return self._core_s[photo.kind]


def rows_of(tmp_path, **contenders):
    contenders |= dict.fromkeys(("ours", "Pillow"), Taking(easy=1, hard=1))
    drawn = [photos.DrawnPhoto(kind, b"", tmp_path / kind) for kind in ("easy", "hard")]
    return {row.figure: row for row in speed.rows(contenders, drawn)}


def test_a_goal_is_judged_by_the_kind_of_photo_with_the_least_lead(tmp_path):
    """It holds only if it holds for each kind."""
    rows = rows_of(tmp_path, sharp=Taking(easy=9, hard=2))
    row = rows["photos per core-second beside sharp, at the least (hard)"]
    assert (row.ratio, row.outcome) == (2.0, GoalResult.MISSED)
    assert rows["easy: photos per core-second"].outcome is GoalResult.PUBLISHED


def test_a_goal_beside_a_peer_that_is_not_here_is_not_judged(tmp_path):
    """The row says how to get it."""
    rows = rows_of(tmp_path, sharp=Taking(easy=9, hard=3))
    row = next(row for figure, row in rows.items() if sharp.ONCE in figure)
    assert (row.outcome, list(row.missing)) == (GoalResult.NOT_JUDGED, [sharp.ONCE])


def test_each_step_of_the_job_is_a_stage():
    """And none is left that the job does not have."""
    assert [step.__name__ for step in job.STEPS] == list(whole_job.STAGES)[1:-1]


@pytest.mark.parametrize("shape", [(150, 100), (256, 255), (1080, 810)])
def test_pictures_are_compared_at_six_scales(shape):
    """Of small ones, the mirror images beside them are whole, so that each pixel counts as much as any other."""
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*shape[::-1], 3), np.uint8))
    compared = quality.with_mirror_images(picture)
    assert min(compared.size) >= 256
    assert [side % own for side, own in zip(compared.size, shape, strict=True)] == [0, 0]
    assert compared.crop((0, 0, *shape)).tobytes() == picture.tobytes()
