"""What we draw beside what others draw, or what the standards say: by ΔE2000 (mean and 95th percentile) and SSIM.

Each row names its judge. 1 is about the least difference that people see, so most bounds are below it; they are wider
where a file was compressed with loss and its judge decodes colour at another resolution, or shrinks in another way.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from processing.imaging.header import read_header
from tests.builders import (
    bmps,
    colour_difference,
    heifs,
    jpegs,
    other_readers,
    pictures,
    pngs,
    profiles,
    scenes,
    signals,
    tag_files,
    webs,
)
from tests.builders.scenes import Pixels

Judge = Callable[[bytes], Pixels]
ORIENTATIONS = range(1, 9)
SCENE = scenes.gradient(67, 45)
TILES = scenes.gradient(128, 64)
PATCHES = scenes.patches(64)


class Row(NamedTuple):
    """A file, who says what it shows, and how far from that we may be."""

    make: Callable[[], bytes]
    judge: Judge
    mean: float = 0.1
    most: float = 0.5

    def check(self) -> None:
        data = self.make()
        ours, theirs = pictures.master_pixels(data), self.judge(data)
        assert ours.shape == theirs.shape
        mean, most = colour_difference.between(ours, theirs)
        assert (mean, most) <= (self.mean, self.most) and most <= self.most, (mean, most)
        assert colour_difference.ssim(ours, theirs) > 0.98


def shows(pixels: Pixels) -> Judge:
    """The judge is the standard: a file with this signal shows these colours."""
    return lambda _: pixels


# Pillow has no answer, or another one that is wrong, for the kinds below; each has a row of its own.
OF_THEIR_OWN = {
    *("JPEG no end marker", "JPEG inks", "JPEG ycck"),
    *("TIFF 16 bits", "TIFF 16 bits big-endian", "TIFF grey 16 bits", "TIFF floats", "TIFF lab", "TIFF inks"),
}
KINDS = [name for name in pictures.whole_files() if name[:4] not in ("HEIC", "AVIF") and name not in OF_THEIR_OWN]


@pytest.mark.parametrize("name", KINDS)
def test_plain_files_look_as_in_pillow(name):
    """Every kind of JPEG, PNG, WebP, GIF, TIFF and BMP. Blending with white is rounded in another way."""
    Row(lambda: pictures.whole_files()[name], other_readers.pillow, 0.35, 0.8).check()


@pytest.mark.parametrize("name", [name for name in pictures.whole_files() if name[:4] in ("HEIC", "AVIF")])
def test_plain_heif_files_look_as_in_libheif(name):
    """Tiles, depth, monochrome, transparency: by the program of libheif, of another version with other decoders.

    It asks for a brand that it knows, so the others are judged by the same picture with a common one.
    """
    whole = pictures.whole_files()
    known = f"{name[:4]} one item" if name.endswith(("mif3", "miaf")) else name
    Row(lambda: whole[name], lambda _: other_readers.libheif(whole[known]), 0.3, 1.0).check()


WHOLE = pictures.whole_files()


def magick(suffix: str) -> Judge:
    return lambda data: other_readers.imagemagick(data, suffix)


OTHERS = {
    "JPEG no end marker": (lambda _: other_readers.pillow(WHOLE["JPEG baseline 4:4:4"]), 0.1),
    "JPEG ycck": (lambda _: pictures.master_pixels(WHOLE["JPEG inks"]), 1.0),
    "TIFF inks": (lambda _: pictures.master_pixels(WHOLE["JPEG inks"]), 1.0),
    "TIFF 16 bits": (magick(".tiff"), 0.3),
    "TIFF 16 bits big-endian": (shows(SCENE), 0.1),
    "TIFF grey 16 bits": (magick(".tiff"), 0.3),
    "TIFF white is zero": (magick(".tiff"), 0.1),
    "TIFF lab": (shows(SCENE), 0.5),
    "TIFF floats": (shows(signals.eight_bits(signals.srgb_curve(SCENE / 255))), 0.3),
    "BMP top-down": (magick(".bmp"), 0.1),
    "BMP 16 bits 5-6-5": (magick(".bmp"), 0.3),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_look_as_in_their_judge(name):
    """Where Pillow clips, or does not know better, ImageMagick or the source says what there is to see."""
    judge, mean = OTHERS[name]
    Row(lambda: WHOLE[name], judge, mean, 2.5 * mean + 0.3).check()


def webp_with(profile: bytes) -> bytes:
    return webs.webp(SCENE, lossless=True, icc_profile=profile)


PROFILED = {
    "JPEG": lambda profile: jpegs.with_profile(jpegs.jpeg(SCENE), profile),
    "JPEG in many segments": lambda profile: jpegs.with_profile(jpegs.jpeg(SCENE), profile, 300),
    "PNG": lambda profile: pngs.png(SCENE, before=[pngs.profile(profile)]),
    "PNG of 16 bits": lambda profile: pngs.png(heifs.deep(SCENE), depth=16, before=[pngs.profile(profile)]),
    "WebP": webp_with,
    "TIFF": lambda profile: tag_files.tiff(SCENE, t34675=profile),
    "BMP": lambda profile: bmps.with_profile(SCENE, profile),
}
SPACES = {"Display P3": profiles.display_p3, "Adobe RGB": profiles.adobe_rgb, "sRGB": profiles.srgb}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", PROFILED)
def test_profiles_look_as_in_littlecms(kind, space):
    """Pillow decodes, and littleCMS converts."""
    profile = SPACES[space]()
    plain = other_readers.pillow if "16 bits" not in kind else lambda _: other_readers.pillow(PROFILED["PNG"](profile))
    judge = partial(other_readers.pillow_with, profile) if kind == "BMP" else plain
    Row(lambda: PROFILED[kind](profile), judge, 0.4, 1.0).check()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_profile_for_grey_looks_as_in_littlecms(kind):
    """A gamma of 1.8 is darker than sRGB."""
    profile, grey = profiles.grey(1.8), SCENE.mean(axis=2).astype(np.uint8)
    makers = {
        "JPEG": lambda: jpegs.with_profile(jpegs.jpeg(grey, "L"), profile),
        "PNG": lambda: pngs.png(grey, pngs.GREY, before=[pngs.profile(profile)]),
    }
    Row(makers[kind], other_readers.pillow, 0.4, 1.0).check()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("encode", [heifs.hevc, heifs.av1], ids=["HEIC", "AVIF"])
def test_profiles_in_heif_look_as_in_libheif_and_littlecms(encode, space):
    """libheif decodes, and littleCMS converts."""
    profile = SPACES[space]()
    data = heifs.file([encode(TILES)], properties=[heifs.profile(profile)])
    Row(lambda: data, lambda each: other_readers.libheif(each, profile), 0.4, 1.0).check()


P3, ADOBE = signals.in_display_p3(PATCHES), signals.in_adobe_rgb(PATCHES)
PQ, HLG, BT2020 = signals.in_pq(PATCHES), signals.in_hlg(PATCHES), signals.in_bt2020(PATCHES)
ADOBE_BY_OPTION = tag_files.exif({}, {0xA001: 0xFFFF, 0xA005: {1: "R03"}})
LINEAR = signals.light(PATCHES)


def png_of(signal: np.ndarray, *chunks: bytes) -> bytes:
    return pngs.png(signals.sixteen_bits(signal), depth=16, before=chunks)


def heif_of(encode: Callable[..., heifs.Coded], signal: np.ndarray, *numbers: int) -> bytes:
    """Of 10 bits."""
    return heifs.file([encode(signals.sixteen_bits(signal))], properties=[heifs.nclx(*numbers)])


SIGNALS = {
    "PNG, P3 by cICP": lambda: png_of(P3, pngs.code_points(12, 13)),
    "PNG, BT.2020 by cICP": lambda: png_of(BT2020, pngs.code_points(9, 13)),
    "PNG, PQ by cICP": lambda: png_of(PQ, pngs.code_points(9, 16)),
    "PNG, HLG by cICP": lambda: png_of(HLG, pngs.code_points(9, 18)),
    "PNG, linear by cICP": lambda: png_of(LINEAR, pngs.code_points(1, 8)),
    "PNG, linear by gAMA": lambda: png_of(LINEAR, pngs.gamma(1.0)),
    "PNG, gamma 1.8": lambda: png_of(LINEAR ** (1 / 1.8), pngs.gamma(1.8)),
    "PNG, P3 by cHRM": lambda: png_of(
        (LINEAR @ signals.TO_P3.T).clip(0) ** (1 / 2.2), pngs.gamma(2.2), pngs.chromaticities(*signals.P3_XY)
    ),
    "PNG, sRGB before gAMA": lambda: png_of(PATCHES / 255, pngs.gamma(1.0), pngs.srgb()),
    "PNG, profile before gAMA": lambda: png_of(P3, pngs.gamma(1.0), pngs.profile(profiles.display_p3())),
    "PNG, cICP before all": lambda: png_of(
        PQ, pngs.gamma(1.0), pngs.srgb(), pngs.profile(profiles.adobe_rgb()), pngs.code_points(9, 16)
    ),
    "PNG, PQ by the tag of a profile": lambda: png_of(PQ, pngs.profile(profiles.pq_bt2020())),
    "PNG, Adobe RGB by EXIF": lambda: png_of(ADOBE, pngs.chunk(b"eXIf", ADOBE_BY_OPTION)),
    "JPEG, Adobe RGB by EXIF": lambda: jpegs.with_exif(
        jpegs.jpeg(signals.eight_bits(ADOBE), quality=97), ADOBE_BY_OPTION
    ),
    "WebP, Adobe RGB by EXIF": lambda: webs.webp(
        signals.eight_bits(ADOBE), lossless=True, exif=tag_files.exif({}, {0xA001: 2})
    ),
    "BMP, P3 calibrated": lambda: bmps.calibrated(
        signals.eight_bits((LINEAR @ signals.TO_P3.T).clip(0) ** (1 / 2.2)), signals.P3_XYZ, 2.2
    ),
    "HEIC, P3 by nclx": lambda: heif_of(heifs.hevc, P3, 12, 13),
    "HEIC, PQ by nclx": lambda: heif_of(heifs.hevc, PQ, 9, 16),
    "HEIC, HLG by nclx": lambda: heif_of(heifs.hevc, HLG, 9, 18),
    "HEIC, BT.2020 by nclx": lambda: heif_of(heifs.hevc, BT2020, 9, 1),
    "AVIF, P3 by nclx": lambda: heif_of(heifs.av1, P3, 12, 13),
    "AVIF, PQ by nclx": lambda: heif_of(heifs.av1, PQ, 9, 16),
    "AVIF, HLG by nclx": lambda: heif_of(heifs.av1, HLG, 9, 18),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNALS)
def test_colours_of_every_signal_are_those_of_the_standards(name):
    """Patches of sRGB, written in another space by published matrices and curves, are sRGB's again."""
    is_lossy = name.startswith(("HEIC", "AVIF", "JPEG"))
    ours = scenes.middles(pictures.master_pixels(SIGNALS[name]()))
    apart = colour_difference.delta_e(
        colour_difference.to_lab(ours), colour_difference.to_lab(np.array(scenes.PATCHES))
    )
    assert apart.max() < (2.5 if is_lossy else 1.0), list(zip(ours.tolist(), apart.round(2).tolist(), strict=True))


def test_a_linear_png_looks_as_in_imagemagick():
    """The one gamma by which it converts."""
    data = png_of(LINEAR, pngs.gamma(1.0))
    Row(lambda: data, lambda each: other_readers.imagemagick(each, ".png", "-colorspace", "sRGB"), 0.3, 1.0).check()


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "limited"])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_ranges_and_matrices_look_as_in_libheif(matrix, is_full):
    """H.273's matrices of BT.709, BT.601 and BT.2020, with the range of films and with all 256 levels."""
    coded = heifs.hevc(TILES, matrix_coefficients=matrix, full_range_flag=int(is_full))
    data = heifs.file([coded], properties=[heifs.nclx(1, 13, matrix, is_full)])
    Row(lambda: data, other_readers.libheif, 0.3, 1.0).check()
    assert colour_difference.between(pictures.master_pixels(data), TILES)[0] < 1.5


ORIENTED = {
    "JPEG": lambda pixels, value: jpegs.with_exif(jpegs.jpeg(pixels), tag_files.oriented(value)),
    "PNG": lambda pixels, value: pngs.png(pixels, before=[pngs.chunk(b"eXIf", tag_files.oriented(value))]),
    "PNG, EXIF last": lambda pixels, value: pngs.png(pixels, after=[pngs.chunk(b"eXIf", tag_files.oriented(value))]),
    "WebP": lambda pixels, value: webs.webp(pixels, lossless=True, exif=tag_files.oriented(value)),
    "TIFF": lambda pixels, value: tag_files.tiff(pixels, t274=value),
    "TIFF of 6 MB": lambda pixels, value: tag_files.tiff(pixels, t274=value, t34377=bytes(6_000_000)),
}


@pytest.mark.parametrize("value", ORIENTATIONS)
@pytest.mark.parametrize("kind", ORIENTED)
def test_every_orientation_looks_as_in_pillow(kind, value):
    """And the picture is upright."""
    data = ORIENTED[kind](scenes.stored(SCENE, value), value)
    Row(lambda: data, other_readers.pillow, 0.15, 0.6).check()
    assert colour_difference.between(pictures.master_pixels(data), SCENE)[0] < 1.5


@pytest.mark.parametrize("value", ORIENTATIONS)
@pytest.mark.parametrize("encode", [heifs.hevc, heifs.av1], ids=["HEIC", "AVIF"])
def test_every_turn_and_mirror_looks_as_in_libheif(encode, value):
    """EXIF says another orientation, which does not count."""
    stored = scenes.stored(TILES, value)
    exif = heifs.exif_item(tag_files.oriented(3))
    data = heifs.file([encode(stored)], properties=heifs.turned(value), exif=exif)
    Row(lambda: data, other_readers.libheif, 0.3, 1.0).check()
    assert colour_difference.between(pictures.master_pixels(data), TILES)[0] < 1.5


@pytest.mark.parametrize("encode", [heifs.hevc, heifs.av1], ids=["HEIC", "AVIF"])
def test_a_clean_aperture_looks_as_in_libheif(encode):
    """A picture may say that only a part of it is to be shown."""
    data = heifs.file([encode(TILES)], properties=[heifs.cropped(96, 40, right=8, down=-4)])
    Row(lambda: data, other_readers.libheif, 0.3, 1.0).check()


@pytest.mark.parametrize("size", [(128, 64), (100, 64), (99, 61)])
@pytest.mark.parametrize("encode", [heifs.hevc, heifs.av1], ids=["HEIC", "AVIF"])
def test_a_grid_of_tiles_looks_as_in_libheif(encode, size):
    """Its tiles reach over its right and lower edge."""
    data = heifs.grid_of(scenes.gradient(*size), 64, encode)
    Row(lambda: data, other_readers.libheif, 0.3, 1.0).check()


SIZED = {
    "JPEG": jpegs.jpeg,
    "progressive JPEG": partial(jpegs.jpeg, progressive=True),
    "JPEG of 4:2:0": partial(jpegs.jpeg, subsampling="4:2:0"),
    "PNG": pngs.png,
    "WebP": partial(webs.webp, lossless=True),
    "GIF": webs.gif,
    "TIFF": tag_files.tiff,
    "TIFF of tiles": partial(tag_files.compressed_tiff, tile=True, tile_width=64, tile_height=64),
    "BMP": bmps.bmp,
}
SIZES = [
    *((1, 1), (1, 300), (300, 1), (2, 3), (33, 17), (1079, 5), (1080, 40), (1081, 40), (1080, 1080)),
    *((2161, 901), (16_000, 7), (7, 16_000), (500, 2_500)),
]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", SIZED)
def test_every_size_looks_as_in_pillow(kind, size):
    """Shrunk by Pillow's Lanczos where it is wider than the master; the size itself is exact."""
    data = SIZED[kind](scenes.gradient(*size))
    ours, header = pictures.master_pixels(data), read_header(data)
    assert (header.width, header.height) == size
    with Image.open(io.BytesIO(data)) as image:
        theirs = image.convert("RGB").resize((ours.shape[1], ours.shape[0]), Image.Resampling.LANCZOS)
    step = 1 + ours.shape[0] * ours.shape[1] // 200_000
    mean, most = colour_difference.between(ours[::step], np.asarray(theirs)[::step])
    # Filters differ at the edges, and a picture of a few pixels has nothing else.
    bounds = (0.15, 0.6) if max(size) <= 1080 else (1.5, 3.0) if min(size) < 10 else (0.3, 1.0)
    assert mean <= bounds[0] and most <= bounds[1], (mean, most)
    scale = min(1, 1080 / size[0], 4 * 1080 / size[1])
    assert ours.shape == (max(1, round(size[1] * scale)), max(1, round(size[0] * scale)), 3)
