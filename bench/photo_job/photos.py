"""The photos on which everyone is measured: drawn from seeds, in the sizes and samplings that cameras have."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench import synthetic_photos

_12_MP, _24_MP = (4000, 3000), (6000, 4000)

Draw = Callable[[int, int, int], Image.Image]


@dataclass(frozen=True, slots=True)
class Drawing:
    """`draw` takes a seed, a width and a height. Sides are multiples of 8: of others, sharp displaces the picture."""

    kind: str
    seed: int
    shape: tuple[int, int]
    sampling: str = "4:2:0"
    draw: Draw = synthetic_photos.scene


DRAWINGS: Sequence[Drawing] = (
    *(Drawing("12 MP", seed, _12_MP) for seed in (1, 2)),
    *(Drawing("12 MP, 4:4:4", seed, _12_MP, "4:4:4") for seed in (3, 4)),
    *(Drawing("24 MP", seed, _24_MP) for seed in (5, 6)),
    *(Drawing("24 MP, 4:4:4", seed, _24_MP, "4:4:4") for seed in (7, 8)),
    Drawing("12 MP on film", 9, _12_MP, draw=synthetic_photos.film),
    Drawing("24 MP on film", 10, _24_MP, draw=synthetic_photos.film),
    Drawing("12 MP of cloth", 11, _12_MP, draw=synthetic_photos.weave),
)


@dataclass(frozen=True, slots=True)
class DrawnPhoto:
    """`path` is a file with these bytes, for those who read one."""

    kind: str
    data: bytes
    path: Path


def draw(folder: Path) -> list[DrawnPhoto]:
    """All of them, in the order of `DRAWINGS`, on all cores."""
    with ProcessPoolExecutor() as processes:
        files = processes.map(_jpeg, DRAWINGS)
        return [_photo(drawing, data, folder) for drawing, data in zip(DRAWINGS, files, strict=True)]


def _photo(drawing: Drawing, data: bytes, folder: Path) -> DrawnPhoto:
    path = folder / f"{drawing.seed}.jpg"
    path.write_bytes(data)
    return DrawnPhoto(drawing.kind, data, path)


def _jpeg(drawing: Drawing) -> bytes:
    return synthetic_photos.as_jpeg(drawing.draw(drawing.seed, *drawing.shape), sampling=drawing.sampling)
