"""The photo job's imaging: a JPEG in, four upright JPEG variants and a grey thumbnail out.

The peers are Pillow and sharp (`make bench` installs it into `bench/peers/` from the lock file). Sharp runs twice: as
its manual says, with a clone for each size; and in our way, decoding once and making all sizes from the largest.
Ours also computes the perceptual hash. Speed alone would be easy, so each speed stands beside the quality of the larger
variants, compared with a full decode and a Lanczos resize, and beside the bytes that the variants take.

Time is processor time over all threads, because that is what a farm of workers pays for a photo, however a library
spreads it over cores.
"""

import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bench import harness, interleaved_runs, synthetic_photos
from processing import fingerprints
from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import grey, render, scale
from regions.image_limits import VARIANT_SIZES

PEERS = Path(__file__).parent / "peers"
SHARP, SHARP_ONCE = "sharp", "sharp, decoding once"
_GET_SHARP = "install node and npm, then `make bench-peers`"
PHOTOS = {"12 MP": (4000, 3000), "24 MP": (6000, 4000)}
REPEATS = 9
COMPARED_PX = (640, 1080)

Variants = dict[int, bytes]

_SHARP = """
const sharp = require('sharp'); const fs = require('fs');
sharp.concurrency(1); sharp.cache(false);
const sizes = JSON.parse(process.argv[1]);
async function variants(data, once) {
  let image = sharp(data, {sequentialRead: true, failOn: 'error'}).rotate();
  if (once) {
    const {data: pixels, info} = await image
      .resize({width: Math.max(...sizes), withoutEnlargement: true}).raw().toBuffer({resolveWithObject: true});
    image = sharp(pixels, {raw: info});
  }
  const grey = image.clone().resize(64, 64, {fit: 'fill'}).greyscale().raw().toBuffer();
  const drawn = await Promise.all(sizes.map(width =>
    image.clone().resize({width, withoutEnlargement: true}).jpeg({quality: 85}).toBuffer()));
  await grey;
  return drawn;
}
require('readline').createInterface({input: process.stdin}).on('line', async line => {
  const {photo, keep, once} = JSON.parse(line);
  const data = fs.readFileSync(photo);
  const start = process.cpuUsage();
  const drawn = await variants(data, once);
  const {user, system} = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  if (keep) drawn.forEach((bytes, n) => fs.writeFileSync(`${keep}/${sizes[n]}.jpg`, bytes));
  console.log(JSON.stringify(seconds));
});
"""


def run() -> list[harness.Measurement]:
    rows = []
    with tempfile.TemporaryDirectory() as folder, _sharp(Path(folder)) as sharp:
        for label, (width, height) in PHOTOS.items():
            data = synthetic_photos.jpeg(1, width, height)
            photo = Path(folder) / f"{width}.jpg"
            photo.write_bytes(data)
            rows += _rows(label, data, photo, sharp)
    return rows


def ours(data: bytes) -> Variants:
    pictures = scale(decode(read_header(data)))
    fingerprints.perceptual_hash(grey(pictures))
    return {rendering.size: rendering.data for rendering in render(pictures)}


def pillow(data: bytes) -> Variants:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    image.resize((64, 64), Image.Resampling.LANCZOS, reducing_gap=3.0).convert("L").tobytes()
    variants = {}
    for width in VARIANT_SIZES:
        shape = (width, round(image.height * width / image.width))
        file = io.BytesIO()
        image.resize(shape, Image.Resampling.LANCZOS, reducing_gap=3.0).save(file, "JPEG", quality=85, optimize=True)
        variants[width] = file.getvalue()
    return variants


class Sharp:
    """One node process that makes variants on request, and measures itself."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def spent(self, photo: Path, once: bool, keep: Path | None = None) -> dict[str, float]:
        assert self._process.stdin is not None and self._process.stdout is not None
        order = {"photo": str(photo), "keep": str(keep) if keep else None, "once": once}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return {"core_s": float(json.loads(self._process.stdout.readline()))}

    def variants(self, photo: Path, once: bool) -> Variants:
        self.spent(photo, once, self._folder)
        return {width: (self._folder / f"{width}.jpg").read_bytes() for width in VARIANT_SIZES}


@contextmanager
def _sharp(folder: Path) -> Iterator[Sharp | None]:
    """None if Node.js or sharp is not installed."""
    node = shutil.which("node")
    if node is None or not (PEERS / "node_modules" / "sharp").is_dir():
        yield None
        return
    command = [node, "-e", _SHARP, "--", json.dumps(VARIANT_SIZES)]
    with subprocess.Popen(command, cwd=PEERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Sharp(process, folder)
        process.terminate()


def _rows(label: str, data: bytes, photo: Path, sharp: Sharp | None) -> list[harness.Measurement]:
    contenders: dict[str, interleaved_runs.Run] = {
        "ours": lambda: interleaved_runs.spent(lambda: ours(data)),
        "Pillow": lambda: interleaved_runs.spent(lambda: pillow(data)),
    }
    drawn = {"ours": ours(data), "Pillow": pillow(data)}
    if sharp is not None:
        for name, once in ((SHARP, False), (SHARP_ONCE, True)):
            contenders[name] = partial(sharp.spent, photo, once)
            drawn[name] = sharp.variants(photo, once)
    core_s = interleaved_runs.medians(contenders, REPEATS)["core_s"]
    rows = [_row(f"{label}: photos per core-second", "1/s", interleaved_runs.rates(1, core_s), 1.0)]
    for width in COMPARED_PX:
        reference = _reference(data, width)
        pixels = {name: _pixels(variants[width]) for name, variants in drawn.items()}
        likeness = {name: _ssim(each, reference) for name, each in pixels.items()}
        noise = {name: _psnr(each, reference) for name, each in pixels.items()}
        rows += [_row(f"{label}: SSIM at {width} px", "", likeness, 0.995)]
        rows += [_row(f"{label}: PSNR at {width} px", "dB", noise, 0.99)]
    weight = {name: sum(map(len, variants.values())) / 1000 for name, variants in drawn.items()}
    return [*rows, _row(f"{label}: bytes of all variants", "kB", weight, None, False)]


def _row(
    figure: str, unit: str, values: dict[str, float], goal: float | None, more_is_better: bool = True
) -> harness.Measurement:
    missing = {name: _GET_SHARP for name in (SHARP, SHARP_ONCE) if name not in values}
    return interleaved_runs.row(figure, unit, values, goal, more_is_better=more_is_better, missing=missing)


def _reference(data: bytes, width: int) -> NDArray[np.float64]:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    shape = (width, round(image.height * width / image.width))
    return np.asarray(image.resize(shape, Image.Resampling.LANCZOS), np.float64)


def _pixels(jpeg: bytes) -> NDArray[np.float64]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), np.float64)


def _psnr(pixels: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / np.mean((pixels - reference) ** 2)))


def _ssim(pixels: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Of luma in 8 × 8 windows (Wang et al., "Image Quality Assessment: From Error Visibility to …", 2004)."""
    a, b = (image @ np.array([0.299, 0.587, 0.114]) for image in (pixels, reference))
    mean_a, mean_b = _windows(a), _windows(b)
    spread_a, spread_b = _windows(a * a) - mean_a**2, _windows(b * b) - mean_b**2
    both = _windows(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float(np.mean(likeness / ((mean_a**2 + mean_b**2 + c1) * (spread_a + spread_b + c2))))


def _windows(image: NDArray[np.float64], side: int = 8) -> NDArray[np.float64]:
    """The mean of each window of that side."""
    views = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    means: NDArray[np.float64] = views.mean(axis=(2, 3))
    return means
