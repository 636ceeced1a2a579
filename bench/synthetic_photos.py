"""Photos as a camera would take them, drawn from a seed, so that every machine measures the same picture.

A scene has what real ones have: a smooth sky, textures at every scale (a 1/f spectrum, as natural images do),
hard edges and thin lines, saturated colour, and the grain of a sensor. `film` and `weave` are full of detail that is
hard to scale, and `FLAT` draws those that have nothing of it.
"""

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.float32]

_OCTAVES = 9
_GRAIN = 2.5
_SHAPES = 160
_FILM_GRAIN = 18
_THREADS_PX = (2.3, 6.3)


def jpeg(seed: int, width: int, height: int, quality: int = 92) -> bytes:
    return as_jpeg(scene(seed, width, height), quality)


def as_jpeg(picture: Image.Image, quality: int = 92, sampling: str = "4:2:0") -> bytes:
    """With EXIF (camera, time, place), and by default in 4:2:0, as most cameras write them."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Darkroom", "Bench Camera"
    exif[0x0112] = 1
    exif.get_ifd(0x8769)[0x9003] = "2026:05:01 12:30:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (38.0, 43.0, 12.0), 3: "W", 4: (9.0, 8.0, 24.0)})
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling=sampling, exif=exif)
    return file.getvalue()


def scene(seed: int, width: int, height: int) -> Image.Image:
    random = np.random.default_rng(seed)
    light = _texture(random, width, height) * 60
    pixels = np.empty((height, width, 3), np.float32)
    horizon = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    for band, (top, bottom) in enumerate(((90, 140), (140, 110), (215, 60))):
        pixels[:, :, band] = top + (bottom - top) * horizon + light * (0.3 + 0.7 * horizon)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    _draw_things(random, picture)
    grain = random.standard_normal((height, width, 1), np.float32) * _GRAIN
    return Image.fromarray((np.asarray(picture, np.float32) + grain).clip(0, 255).astype(np.uint8))


def film(seed: int, width: int, height: int) -> Image.Image:
    """A scene on fast film: coarse grain, in clumps of about two pixels."""
    random = np.random.default_rng(seed)
    clumps = Image.fromarray(random.standard_normal((height // 2, width // 2), np.float32))
    grain = np.asarray(clumps.resize((width, height), Image.Resampling.BICUBIC))
    return _lit(scene(seed, width, height), _FILM_GRAIN / grain.std() * grain)


def weave(seed: int, width: int, height: int) -> Image.Image:
    """A scene seen through cloth, whose threads grow from 2.3 to 6.3 pixels: too fine for any of our sizes."""
    finest, coarsest = _THREADS_PX
    down, across = np.ogrid[:height, :width]
    threads = [
        np.sin(2 * np.pi * each / (finest + (coarsest - finest) * each / each.size)).astype(np.float32)
        for each in (down, across)
    ]
    darker = Image.eval(scene(seed, width, height), lambda level: int(0.6 * level + 60))
    return _lit(darker, 50 * threads[0] * threads[1])


def _lit(picture: Image.Image, light: Floats) -> Image.Image:
    """With so much more light, in grey levels, in each pixel."""
    return Image.fromarray((np.asarray(picture, np.float32) + light[:, :, None]).clip(0, 255).astype(np.uint8))


def _texture(random: np.random.Generator, width: int, height: int) -> Floats:
    """Noise whose strength falls slowly with each octave: mean 0, most of it within ±1."""
    sum_ = np.zeros((height, width), np.float32)
    for octave in range(_OCTAVES):
        cells = 4 << octave
        noise = random.standard_normal((max(2, cells * height // width), cells), np.float32)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        sum_ += np.asarray(layer, np.float32) * 0.85**octave
    return sum_ * 0.45


def _draw_things(random: np.random.Generator, picture: Image.Image) -> None:
    pen, (width, height) = ImageDraw.Draw(picture), picture.size
    for _ in range(_SHAPES):
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        x, y = int(random.integers(0, width)), int(random.integers(height // 3, height))
        size = int(random.integers(width // 200, width // 12))
        if random.random() < 0.3:
            pen.ellipse((x, y, x + size, y + size), fill=colour)
        elif random.random() < 0.5:
            pen.rectangle((x, y, x + size // 3, y + size), fill=colour)
        else:
            pen.line((x, y, x + size, y + int(random.integers(-size, size))), fill=colour, width=max(1, size // 60))


def _one_colour(random: np.random.Generator, width: int, height: int) -> Floats:
    return np.full((height, width), random.uniform(0, 255), np.float32)


def _wall(random: np.random.Generator, width: int, height: int) -> Floats:
    """Lit more brightly in the middle, with the grain of a sensor."""
    down, across = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light: Floats = (180 - 30 * (down**2 + across**2)).astype(np.float32)
    return light + random.standard_normal((height, width), np.float32) * _GRAIN


def _sky(random: np.random.Generator, width: int, height: int) -> Floats:
    """Brighter towards the bottom."""
    top, bottom = random.uniform((60, 150), (140, 250))
    return np.linspace(top, bottom, height, dtype=np.float32)[:, None].repeat(width, 1)


def _horizon(random: np.random.Generator, width: int, height: int) -> Floats:
    """A sky that glows above a dark sea: one strong edge, all across the picture."""
    sea = int(random.integers(height // 2, height * 5 // 6))
    column = np.full(height, 15, np.float32)
    column[:sea] = 60 + 190 * np.linspace(0, 1, sea, dtype=np.float32) ** 2
    return column[:, None].repeat(width, 1)


def _night(random: np.random.Generator, width: int, height: int) -> Floats:
    """Stars of a pixel each, and much grain."""
    dark = 8 + 2 * _GRAIN * random.standard_normal((height, width), np.float32)
    dark.flat[random.integers(0, dark.size, 40)] = 255
    return dark


FLAT: Mapping[str, Callable[[np.random.Generator, int, int], Floats]] = {
    "one colour": _one_colour,
    "wall": _wall,
    "sky": _sky,
    "horizon": _horizon,
    "night": _night,
}
"""Grey pictures without detail, by what they show."""


def flat(kind: str, seed: int, width: int, height: int) -> Image.Image:
    pixels = FLAT[kind](np.random.default_rng(seed), width, height)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB")
