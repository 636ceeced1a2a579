"""How well photos are recognised again, beside PDQ by its authors' rules (quality 50, up to 31 bits apart).

On drawn pictures, so that every machine measures the same. Thousands of real ones, by which the constants were chosen,
are behind the table in `docs/moderation.md`.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from bench import harness, interleaved_runs, synthetic_photos
from processing import fingerprints, moderation
from processing.imaging.header import read_header
from processing.imaging.master import Master, decode
from processing.imaging.variants import grey, scale

PDQ = "PDQ"
_GET_PDQ = "pip install pdqhash"
_PDQ_QUALITY, _PDQ_BITS = 50, 31
_WIDTH_PX, _HEIGHT_PX = 800, 600
_SCENES, _FLAT, _REPEATS = 40, 20, 5
_COMPARED = 500
_LISTED = moderation.MAX_ENTRIES
"""The longest list that there can be."""

Pixels = NDArray[np.uint8]
Hash = Callable[[Master], str | None]


def run() -> list[harness.Measurement]:
    hashes: dict[str, Hash] = {"ours": _ours}
    if find_spec("pdqhash"):
        hashes[PDQ] = _pdq
    bits = {"ours": moderation.DISTANCE_BITS, PDQ: _PDQ_BITS}
    scenes = [synthetic_photos.scene(seed, _WIDTH_PX, _HEIGHT_PX) for seed in range(_SCENES)]
    originals = [_master(scene) for scene in scenes]
    copies = [[_master(copy) for copy in _copies(scene)] for scene in scenes]
    flat = [
        _master(synthetic_photos.flat(kind, seed, _WIDTH_PX, _HEIGHT_PX))
        for kind in synthetic_photos.FLAT
        for seed in range(_FLAT)
    ]
    contenders = {name: _timed(hash_of, originals) for name, hash_of in hashes.items()}
    core_s = interleaved_runs.medians(contenders, _REPEATS)["core_s"]
    refused = {name: _share(hash_of(each) is None for each in flat) for name, hash_of in hashes.items()}
    found = {name: _found(hash_of, bits[name], originals, copies) for name, hash_of in hashes.items()}
    closest = {name: _closest(list(map(hash_of, originals))) for name, hash_of in hashes.items()}
    return [
        _row("pictures without detail that get no hash", "%", refused, 1.0),
        _row("changed copies recognised", "%", found, 0.95),
        _row("the two scenes most alike: bits apart", "bits", closest, 0.8),
        _row("hashes per core-second, of decoded pictures", "1/s", interleaved_runs.rates(_SCENES, core_s), 1.0),
        interleaved_runs.row(
            f"photos per core-second compared with {_LISTED:,} hashes", "1/s", {"ours": _compared()}, None
        ),
    ]


def _ours(master: Master) -> str | None:
    return fingerprints.perceptual_hash(grey(scale(master)))


def _pdq(master: Master) -> str | None:
    import pdqhash

    bits, quality = pdqhash.compute(np.asarray(master.picture))
    return np.packbits(bits.astype(bool)).tobytes().hex() if quality >= _PDQ_QUALITY else None


def _master(image: Image.Image) -> Master:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    data = file.getvalue()
    return decode(read_header(data))


def _copies(scene: Image.Image) -> Iterator[Image.Image]:
    width, height = scene.size
    yield scene.resize((width // 3, height // 3))
    yield scene.convert("L")
    for percent in (1, 2, 3):
        yield scene.crop((width * percent // 200, height * percent // 200, width * (200 - percent) // 200, height))
    for strength in (0.75, 1.25):
        yield ImageEnhance.Brightness(scene).enhance(strength)
        yield ImageEnhance.Contrast(scene).enhance(strength)
    worse = io.BytesIO()
    scene.save(worse, "JPEG", quality=25)
    yield Image.open(worse)


def _found(hash_of: Hash, bits: int, originals: list[Master], copies: list[list[Master]]) -> float:
    return _share(
        _bits_apart(hash_of(original), hash_of(copy)) <= bits
        for original, of_one in zip(originals, copies, strict=True)
        for copy in of_one
    )


def _closest(hashes: list[str | None]) -> float:
    return min(_bits_apart(one, other) for one, other in combinations(hashes, 2))


def _bits_apart(one: str | None, other: str | None) -> int:
    """All of them, if one has no hash."""
    if one is None or other is None:
        return fingerprints.PERCEPTUAL_BITS
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _share(cases: Iterator[bool]) -> float:
    return 100 * float(np.mean(list(cases)))


def _timed(hash_of: Hash, originals: list[Master]) -> interleaved_runs.Run:
    return lambda: interleaved_runs.spent(lambda: [hash_of(original) for original in originals])


def _compared() -> float:
    random = np.random.default_rng(1)
    listed = [f"phash {random.bytes(32).hex()}" for _ in range(_LISTED)]
    known = moderation.parse("\n".join(listed))
    photos = [random.bytes(32).hex() for _ in range(_COMPARED)]

    def run() -> Mapping[str, float]:
        return interleaved_runs.spent(lambda: [moderation.is_known_bad(known, "", photo) for photo in photos])

    return len(photos) / interleaved_runs.medians({"ours": run}, _REPEATS)["core_s"]["ours"]


def _row(figure: str, unit: str, values: Mapping[str, float], goal: float) -> harness.Measurement:
    missing = {PDQ: _GET_PDQ} if PDQ not in values else {}
    return interleaved_runs.row(figure, unit, values, goal, missing=missing)
