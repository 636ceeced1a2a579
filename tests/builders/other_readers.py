"""Readers that are not ours, as judges: Pillow with littleCMS, ImageMagick, and libheif's own program."""

import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from tests.builders import profiles
from tests.builders.scenes import Pixels

MAGICK, HEIF = ("convert-im6.q16", "magick"), ("heif-dec", "heif-convert")


def pillow(data: bytes) -> Pixels:
    """Upright, in sRGB by littleCMS, on white."""
    with Image.open(io.BytesIO(data)) as file:
        return _shown(ImageOps.exif_transpose(file), file.info.get("icc_profile"))


def pillow_with(profile: bytes, data: bytes) -> Pixels:
    """The same for a file that names its profile in a way that Pillow does not know."""
    with Image.open(io.BytesIO(data)) as file:
        return _shown(file, profile)


def libheif(data: bytes, profile: bytes | None = None) -> Pixels:
    """Upright, on white. What the file says of its colours is left out; `profile` says it instead."""
    with Image.open(io.BytesIO(_converted(HEIF, data, ".heic", []))) as file:
        return _shown(file, profile)


def imagemagick(data: bytes, suffix: str, *arguments: str) -> Pixels:
    """Upright, in sRGB, on white."""
    options = ["-auto-orient", "-background", "white", "-alpha", "remove", *arguments, "-depth", "8"]
    with Image.open(io.BytesIO(_converted(MAGICK, data, suffix, options))) as file:
        return np.asarray(file.convert("RGB"))


def _converted(programs: tuple[str, ...], data: bytes, suffix: str, options: list[str]) -> bytes:
    """To PNG."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, f"source{suffix}"), Path(folder, "target.png")
        source.write_bytes(data)
        name = str(source) if suffix == ".heic" else f"{source}[0]"
        subprocess.run([_found(programs), name, *options, str(target)], check=True, capture_output=True, timeout=60)
        return target.read_bytes()


def _found(programs: tuple[str, ...]) -> str:
    """The path of the first of these names that is installed; in CI, one must be."""
    path = next((path for name in programs if (path := shutil.which(name))), None)
    if path is None:
        message = f"none of {', '.join(programs)} is here (Debian: apt-get install imagemagick libheif-examples)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def _shown(image: Image.Image, profile: bytes | None) -> Pixels:
    image = _of_8_bits(image)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    colours = image.convert("L" if image.mode in ("L", "LA", "1") else "CMYK" if image.mode == "CMYK" else "RGB")
    colours = _in_srgb(colours, profile) if profile else colours.convert("RGB")
    if alpha is not None:
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(colours, mask=alpha)
        colours = white
    return np.asarray(colours)


def _of_8_bits(image: Image.Image) -> Image.Image:
    """Pillow clips deep grey instead of scaling it."""
    if not image.mode.startswith("I"):
        return image
    deep: NDArray[np.int64] = np.asarray(image).astype(np.int64)
    return Image.fromarray(np.round(deep / 257).astype(np.uint8))


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Relative to white, with black point compensation, as we do."""
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.ImageCmsProfile(io.BytesIO(profiles.srgb())),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None
    return converted
