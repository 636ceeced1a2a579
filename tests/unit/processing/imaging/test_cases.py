"""Inputs that went wrong once, each made anew, with its right result."""

import io
import random
import struct

import numpy as np
import pytest
from PIL import Image

from processing import fingerprints
from processing.formats.facts import InvalidImage
from processing.imaging import variants
from processing.imaging.header import Header, read_header
from processing.imaging.master import decode
from tests.builders import heifs, jpegs, pictures, pngs, scenes, signals, tag_files

PHOTO = jpegs.jpeg(scenes.gradient(640, 480), quality=85)
TAKEN, DIGITIZED, CHANGED, OFFSET = 0x9003, 0x9004, 0x0132, 0x9010
MAKE, MODEL, ORIENTATION = 0x010F, 0x0110, 0x0112


def reason(data: bytes) -> str:
    with pytest.raises(InvalidImage) as raised:
        pictures.master_pixels(data)
    return raised.value.code


def header_with(picture: tag_files.Tags, camera: tag_files.Tags) -> Header:
    return read_header(jpegs.with_exif(PHOTO, tag_files.exif(picture, camera)))


def test_a_grid_of_which_a_third_is_there_was_cut_short():
    """It was ready, with four of six tiles green."""
    data = heifs.grid_of(scenes.noise(384, 256), 128, heifs.hevc)
    assert reason(data[: len(data) * 35 // 100]) == "truncated"


FILM = heifs.box(b"ftyp", b"mp42", bytes(4), b"mp42") + heifs.box(b"moov", bytes(90)) + heifs.box(b"mdat", bytes(999))


@pytest.mark.parametrize("encode", [heifs.hevc, heifs.av1])
@pytest.mark.parametrize(
    "tail",
    [
        bytes(1),
        bytes(20),
        bytes(100_000),
        *(random.Random(seed).randbytes(40_000) for seed in range(8)),
        FILM,
        FILM[:-500],
        FILM + b"MotionPhoto_Data" + bytes(24),
        heifs.box(b"mpvd", FILM),
        struct.pack(">I4s", 1, b"free") + b"\xff" * 8,
        struct.pack(">I4s", 3, b"meta"),
        b"\xff\xff\xff\xffmeta",
        heifs.full_box(b"meta", 0),
    ],
    ids=lambda tail: f"{len(tail)}-{tail[:8].hex()}",
)
def test_what_follows_a_heif_does_not_count(encode, tail):
    """A moving photo has a film behind its last box. It was taken for a part that was cut short."""
    data = heifs.file([encode(scenes.noise(128, 64))], exif=heifs.exif_item(tag_files.exif({MODEL: "iPhone"})))
    assert (pictures.master_pixels(data + tail) == pictures.master_pixels(data)).all()
    assert read_header(data + tail) == read_header(data)


def test_a_jpeg_that_was_cut_and_closed_was_cut_short():
    """It was ready, with its lower third grey."""
    assert reason(PHOTO[: len(PHOTO) * 2 // 3] + jpegs.EOI) == "truncated"


def test_a_jpeg_without_its_end_marker_is_whole():
    """It was refused."""
    assert (pictures.master_pixels(PHOTO[:-2]) == pictures.master_pixels(PHOTO)).all()


def test_pure_colours_in_pq_are_pure():
    """Red came out as 137, 83, 57."""
    pure = scenes.patches(64, ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    coded = heifs.hevc(signals.sixteen_bits(signals.in_pq(pure)))
    ours = scenes.middles(pictures.master_pixels(heifs.file([coded], properties=[heifs.nclx(9, 16)])), 3)
    assert np.abs(ours.astype(int) - 255 * np.eye(3)).max() <= 12


def test_exif_at_the_end_of_a_png_counts():
    """Its turn, its date and its camera."""
    exif = tag_files.exif({ORIENTATION: 6, MAKE: "Apple", MODEL: "iPhone"}, {TAKEN: "2021:05:06 07:08:09"})
    header = read_header(pngs.png(scenes.gradient(640, 480), after=[pngs.chunk(b"eXIf", exif)]))
    assert (header.width, header.height) == (480, 640)
    assert (header.taken_at, header.camera) == ("2021-05-06T07:08:09", "Apple iPhone")


def test_a_camera_keeps_its_whole_name():
    """It lost its maker, or what stands in brackets."""
    header = header_with({MAKE: "Apple", MODEL: "iPhone SE (2nd generation)"}, {})
    assert header.camera == "Apple iPhone SE (2nd generation)"


def test_a_scan_of_1999_that_was_changed_in_2024_is_of_1999():
    """It was taken for a picture of the day on which somebody changed it."""
    assert header_with({CHANGED: "2024:01:01 00:00:00"}, {DIGITIZED: "1999:05:06 07:08:09"}).taken_at == (
        "1999-05-06T07:08:09"
    )


def test_the_only_offset_of_a_file_is_that_of_its_date():
    """Many cameras write no other."""
    assert header_with({}, {TAKEN: "2021:05:06 07:08:09", OFFSET: "+02:00"}).taken_at == "2021-05-06T07:08:09+02:00"


def test_a_png_with_a_wrong_byte_is_damaged_and_not_cut_short():
    """It is complete: another upload of the same file would be no better."""
    data = bytearray(pngs.png(scenes.gradient(640, 480)))
    data[len(data) // 2] ^= 0x10
    assert reason(bytes(data)) == "damaged"


def test_a_thin_picture_is_drawn():
    """It was refused."""
    assert pictures.master_pixels(jpegs.jpeg(scenes.gradient(16_000, 7))).shape == (1, 1080, 3)


def sky(top: tuple[int, ...], bottom: tuple[int, ...]) -> bytes:
    down = np.linspace(0, 1, 450)[:, None, None]
    colours = np.array(top) * (1 - down) + np.array(bottom) * down
    return jpegs.jpeg(colours.round().astype(np.uint8).repeat(600, 1), quality=90)


def test_two_skies_are_not_taken_for_one_another():
    """They have no detail, so they have no hash that could condemn one for the other."""
    for data in (sky((91, 140, 219), (241, 220, 201)), sky((241, 121, 61), (40, 30, 80))):
        found = fingerprints.perceptual_hash(variants.grey(variants.scale(decode(read_header(data)))))
        assert found is None


def with_bands(count: int, **tags: int) -> bytes:
    return tag_files.tiff(np.dstack([scenes.gradient(67, 45)] * 10)[:, :, :count], **tags)


@pytest.mark.parametrize("count", [3, 4, 5, 8])
def test_bands_behind_the_colours_do_not_count(count):
    """Such as masks. They came out well, but for grey pictures, of which the job broke."""
    assert pictures.master_pixels(with_bands(count)).shape == (45, 67, 3)
    assert reason(with_bands(count, photometric=1)) == "unsupported"


def test_a_tiff_of_30_bands_is_not_called_damaged():
    """A satellite's, for example. Decoded, it is ten times as large as the photo that its header promises."""
    for photometric in (0, 1, 2, 5, 6):
        assert reason(with_bands(30, photometric=photometric)) == "unsupported"


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.uint32])
@pytest.mark.parametrize("bands", [1, 3])
def test_numbers_that_no_photo_has_are_not_guessed(kind, bands):
    """Of grey ones the job broke, others came out in wrong colours."""
    pixels = scenes.gradient(67, 45)[:, :, :bands].astype(kind)
    assert reason(tag_files.tiff(pixels, 2 if bands == 3 else 1)) == "unsupported"


@pytest.mark.parametrize("method", ["zstd", "lzma"])
def test_a_tiff_of_a_rare_compression_is_not_called_damaged(method):
    """As Pillow writes it, if it is asked to."""
    written = io.BytesIO()
    Image.fromarray(scenes.gradient(67, 45)).save(written, "TIFF", compression=method)
    assert reason(written.getvalue()) == "unsupported"


@pytest.mark.parametrize("bands", [1, 2])
def test_grey_floats_are_light_as_those_of_three_colours_are(bands):
    """The job broke."""
    grey = np.dstack([scenes.gradient(67, 45)[:, :, :1] / np.float32(255), np.ones((45, 67, 1), np.float32)])
    three = grey[:, :, [0, 0, 0]]
    ours = pictures.master_pixels(tag_files.tiff(grey[:, :, :bands], 1))
    assert (ours == pictures.master_pixels(tag_files.tiff(three))).all()


@pytest.mark.parametrize("sides", [(256, 256), (512, 16), (1024, 1024)])
def test_a_tile_may_be_larger_than_the_picture(sides):
    """What is behind its edges does not count."""
    pixels = scenes.gradient(400, 300)
    tiled = tag_files.compressed_tiff(pixels, tile=True, tile_width=sides[0], tile_height=sides[1])
    assert (pictures.master_pixels(tiled) == pictures.master_pixels(tag_files.tiff(pixels))).all()


@pytest.mark.parametrize("sides", [(1040, 16), (16, 1040), (9984, 9984)])
def test_a_tile_that_is_far_larger_than_the_picture_is_not_called_damaged(sides):
    """It would be decoded as a whole, which takes memory that the size of the photo does not promise."""
    tiled = tag_files.compressed_tiff(scenes.gradient(400, 300), tile=True, tile_width=sides[0], tile_height=sides[1])
    assert reason(tiled) == "unsupported"


def test_a_tile_of_a_large_picture_has_a_largest_size():
    """The same for any picture."""
    row = scenes.gradient(10_000, 1)
    assert pictures.master_pixels(tag_files.compressed_tiff(row, tile=True, tile_width=8192, tile_height=16)).size
    assert reason(tag_files.compressed_tiff(row, tile=True, tile_width=8208, tile_height=16)) == "unsupported"
