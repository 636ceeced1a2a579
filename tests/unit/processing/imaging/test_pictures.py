"""The pictures that imaging makes: upright, sRGB, opaque, never enlarged, and free of personal data."""

import io
from itertools import combinations

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import render, scale
from tests.builders import jpegs, profiles


def draw(data: bytes) -> dict[int, Image.Image]:
    """The variants of a file by size, as Pillow reads them."""
    return {size: Image.open(io.BytesIO(variant)) for size, variant in draw_bytes(data).items()}


def draw_bytes(data: bytes) -> dict[int, bytes]:
    return {rendering.size: rendering.data for rendering in render(scale(decode(read_header(data))))}


def levels_apart(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures of the same size, in levels of 256."""
    a, b = (np.asarray(image.convert("RGB"), np.float64) for image in (one, other))
    return float(np.abs(a - b).mean())


def with_orientation(picture: Image.Image, value: int) -> Image.Image:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = value
    picture.convert("RGB").save(file, "JPEG", quality=95, exif=exif)
    return Image.open(file)


def pixel(image: Image.Image, across: float, down: float) -> tuple[int, ...]:
    return image.convert("RGB").getpixel((int(image.width * across), int(image.height * down)))


@pytest.mark.parametrize("picture", ["landscape", "portrait"])
def test_photos_of_every_orientation_become_the_same_picture(photo_folder, picture):
    """All eight EXIF orientations become upright, and so does the invalid value 0."""
    variants = [draw((photo_folder / f"{picture}_{value}.jpg").read_bytes())[320] for value in range(9)]
    assert {image.size for image in variants} == {(320, 213) if picture == "landscape" else (320, 480)}
    apart = [levels_apart(one.convert("L"), other.convert("L")) for one, other in combinations(variants, 2)]
    assert sum(apart) / len(apart) < 2
    # The raws themselves were compressed one by one, and are up to 1.8 levels apart.
    assert max(apart) < 2.5


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_heic_photo_of_an_iphone_becomes_upright(gradient, orientation):
    """HEIC with HEVC, which the libvips wheels can't decode, looks like a JPEG of the same picture."""
    picture, file, exif = gradient(640, 480), io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    pillow_heif.from_pillow(picture).save(file, quality=90, exif=exif.tobytes())
    variant = draw(file.getvalue())[320]
    upright = ImageOps.exif_transpose(with_orientation(picture, orientation))
    assert variant.size == (320, round(320 * upright.height / upright.width))
    assert levels_apart(variant, upright.convert("RGB").resize(variant.size, Image.Resampling.LANCZOS)) < 3


@pytest.mark.parametrize("value", range(1, 9))
def test_the_header_gives_the_size_of_the_upright_picture(gradient, file, value):
    """Width and height are exchanged if the camera was held sideways."""
    exif = Image.Exif()
    exif[0x0112] = value
    header = read_header(file(gradient(60, 40), exif=exif))
    assert (header.width, header.height) == ((40, 60) if value >= 5 else (60, 40))


def test_each_variant_is_as_wide_as_its_size(gradient, file):
    """It keeps the aspect ratio of the raw."""
    sizes = {size: image.size for size, image in draw(file(gradient(2000, 1500))).items()}
    assert sizes == {150: (150, 113), 320: (320, 240), 640: (640, 480), 1080: (1080, 810)}


def test_a_narrow_photo_is_not_enlarged(gradient, file):
    """A variant whose size exceeds the width of the raw is as wide as the raw."""
    sizes = {size: image.size for size, image in draw(file(gradient(200, 300))).items()}
    assert sizes == {150: (150, 225), 320: (200, 300), 640: (200, 300), 1080: (200, 300)}


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000)])
def test_no_side_of_a_variant_is_less_than_one_pixel(gradient, file, size):
    """Not even for the thinnest photos."""
    width, height = size
    assert all(
        image.width == min(size, width) and image.height >= 1
        for size, image in draw(file(gradient(*size), "PNG")).items()
    )
    assert height >= 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_variants_have_no_metadata(file_with_metadata, kind):
    """No EXIF, GPS position, XMP, IPTC, comment or colour profile, whatever the type of the raw."""
    personal = file_with_metadata(kind)
    assert b"Tagus" in personal
    for data in draw_bytes(personal).values():
        assert not any(
            word in data for word in (b"Exif", b"Tagus", b"xmp", b"XMP", b"Photoshop", b"ICC_PROFILE", b"GPS")
        )
        assert not Image.open(io.BytesIO(data)).getexif()
        assert jpegs.segments(data) <= {0xD8, 0xE0, 0xDB, 0xC0, 0xC4, 0xDA}


@pytest.fixture
def file_with_metadata(gradient, file):
    exif = Image.Exif()
    exif[0x010E], exif[0x0110] = "By the Tagus", "Camera of Tagus"
    exif.get_ifd(0x8825).update({1: "N", 2: (38.0, 43.0, 12.0), 3: "W", 4: (9.0, 8.0, 24.0)})
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">Tagus</x:xmpmeta>'
    profile = profiles.srgb()

    def make(kind: str) -> bytes:
        options = {"exif": exif, "icc_profile": profile}
        if kind != "PNG":
            options["xmp"] = xmp
        if kind == "JPEG":
            options["comment"] = b"Tagus"
        return file(gradient(400, 300), kind, **options)

    return make


def test_the_time_and_the_camera_are_read_from_exif(gradient, file):
    """The variants lose EXIF, so the header is where the catalog gets them from."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS 5D"
    exif.get_ifd(0x8769).update({0x9003: "2026:05:01 12:30:00", 0x9011: "+02:00"})
    header = read_header(file(gradient(40, 30), exif=exif))
    assert (header.taken_at, header.camera) == ("2026-05-01T12:30:00+02:00", "Canon EOS 5D")


@pytest.mark.parametrize("time", ["0000:00:00 00:00:00", "yesterday", "2026:13:01 12:30:00", ""])
def test_an_invalid_time_is_ignored(gradient, file, time):
    """For example, cameras without a clock write zeros."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = time
    assert read_header(file(gradient(40, 30), exif=exif)).taken_at is None


def test_the_name_of_a_camera_is_bounded_and_printable(gradient, file):
    """It goes into the catalog, and anyone can choose it."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Eve\r\n\x07", "\x1b[31m" + "x" * 5000
    camera = read_header(file(gradient(40, 30), exif=exif)).camera
    assert camera.startswith("Eve [31mxxx") and len(camera) == 100 and camera.isprintable()


def test_transparency_is_blended_with_white(file):
    """A transparent pixel becomes white, whatever its hidden colour; a half transparent one becomes half white."""
    image = Image.new("RGBA", (300, 100), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (100, 0, 200, 100))
    image.paste((0, 0, 0, 128), (200, 0, 300, 100))
    variant = draw(file(image, "PNG"))[1080]
    assert np.allclose(pixel(variant, 0.15, 0.5), (255, 255, 255), atol=4)
    assert np.allclose(pixel(variant, 0.5, 0.5), (0, 0, 255), atol=6)
    assert np.allclose(pixel(variant, 0.85, 0.5), (127, 127, 127), atol=4)


def test_the_colour_of_transparent_pixels_does_not_bleed_when_shrunk(file):
    """Transparent red leaves no fringe around an opaque green stripe."""
    image = Image.new("RGBA", (2000, 400), (255, 0, 0, 0))
    image.paste((0, 255, 0, 255), (1000, 0, 2000, 400))
    row = np.asarray(draw(file(image, "PNG"))[150].convert("RGB"), np.int64)[15]
    # From white to green, the red only falls and is never above the green.
    assert (row[:, 0] <= row[:, 1] + 12).all()


@pytest.mark.parametrize("mode", ["L", "LA", "1", "CMYK", "RGBA"])
def test_every_colour_mode_looks_as_in_pillow(gradient, file, mode):
    """Grey, black-and-white, CMYK and alpha files look as they do in other programs."""
    image = gradient(300, 200).convert(mode)
    variant = draw(file(image, "JPEG" if mode == "CMYK" else "PNG"))[1080]
    assert variant.mode == "RGB"
    assert levels_apart(variant, image.convert("RGB")) < (30 if mode == "CMYK" else 4)


def test_palette_colours_are_resolved(gradient, file):
    """The pixels of the file are indexes into its palette, not colours."""
    image = gradient(300, 200).quantize(64, dither=Image.Dither.NONE)
    assert levels_apart(draw(file(image, "PNG"))[1080], image.convert("RGB")) < 4


def test_cmyk_inks_look_as_in_print(file):
    """Without a profile, cyan, magenta, yellow and black have their printed colours, not those of the naive formula."""
    image = Image.new("CMYK", (400, 100))
    for place, ink in enumerate(((255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255))):
        image.paste(ink, (place * 100, 0, place * 100 + 100, 100))
    cyan, magenta, yellow, black = (
        pixel(draw(file(image, quality=95))[1080], x, 0.5) for x in (0.12, 0.37, 0.62, 0.87)
    )
    assert cyan[0] < 60 and min(cyan[1:]) > 120
    assert magenta[1] < 60 and min(magenta[0], magenta[2]) > 100
    assert yellow[2] < 60 and min(yellow[:2]) > 200
    assert max(black) < 60


def test_a_16_bit_picture_becomes_8_bit(file):
    """A linear ramp stays linear."""
    ramp = np.linspace(0, 65535, 300, dtype=np.uint16)[None, :].repeat(100, 0)
    variant = draw(file(Image.fromarray(ramp), "PNG"))[1080]
    assert np.allclose(np.asarray(variant.convert("L"))[50], np.linspace(0, 255, 300), atol=3)


def test_a_wide_gamut_is_converted_to_srgb(file):
    """The same numbers mean a more saturated colour in Display P3 or Adobe RGB than in sRGB."""
    image = Image.new("RGB", (200, 200), (180, 120, 80))
    plain = pixel(draw(file(image, quality=95))[1080], 0.5, 0.5)
    converted = pixel(draw(file(image, quality=95, icc_profile=profiles.display_p3()))[1080], 0.5, 0.5)
    # By the matrices of both spaces (SMPTE EG 432-1, IEC 61966-2-1), P3 (180, 120, 80) is sRGB (190, 117, 72).
    assert np.allclose(plain, (180, 120, 80), atol=3)
    assert np.allclose(converted, (190, 117, 72), atol=3)


def test_an_invalid_colour_profile_is_ignored(gradient, file):
    """The picture counts as sRGB instead of being rejected."""
    image = gradient(300, 200)
    variant = draw(file(image, quality=95, icc_profile=b"no profile" * 20))[1080]
    assert levels_apart(variant, image) < 4
