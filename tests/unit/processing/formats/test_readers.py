"""Each reader of a container: what it says of whole files, and that it reads or refuses anything else."""

import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.formats import detect, icc, jpeg, tiff
from processing.formats.facts import Calibrated, Cicp, Icc, InvalidImage
from regions.image_limits import AVIF, BMP, GIF, HEIC, JPEG, PNG, TIFF, WEBP
from tests.builders import bmps, heifs, jpegs, pictures, pngs, profiles, scenes, tag_files, webs

TYPES = {"JPEG": JPEG, "PNG": PNG, "WebP": WEBP, "GIF": GIF, "TIFF": TIFF, "BMP": BMP, "HEIC": HEIC, "AVIF": AVIF}
SCENE = scenes.gradient(67, 45)
TILE = scenes.gradient(64, 64)
ORIENTED = tag_files.oriented(6)
MAGIC = (
    *(b"\xff\xd8\xff", b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda", pngs.SIGNATURE),
    *(b"GIF87a", b"GIF89a\x01\0\x01\0\x80\0\0", b"BM", b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0", b"BM" + bytes(12)),
    *(b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0", b"RIFF\xff\0\0\0WEBPVP8X", b"RIFF\x40\0\0\0WEBPVP8L"),
    *(struct.pack(">I", 16) + b"ftyp" + brand + bytes(4) for brand in (b"heic", b"avif", b"mif1", b"crx ")),
    struct.pack(">I", 16) + b"ftypheic" + bytes(4) + bytes(3) + b"\0meta" + bytes(4),
    b"",
)


def reason(data: bytes) -> str:
    with pytest.raises(InvalidImage) as raised:
        detect.read(data)
    return raised.value.code


@pytest.mark.parametrize("name", pictures.whole_files())
def test_a_whole_file_says_its_type_and_size(name):
    """Before a pixel is decoded."""
    content_type, facts = detect.read(pictures.whole_files()[name])
    assert content_type == TYPES[name.partition(" ")[0]]
    assert (facts.width, facts.height) == ((128, 64) if content_type in (HEIC, AVIF) else (67, 45))


@settings(max_examples=500, deadline=2000)
@given(st.sampled_from(MAGIC), st.binary(max_size=500))
def test_any_bytes_after_a_magic_are_read_or_refused(magic, rest):
    """With InvalidImage and no other error, in bounded time."""
    try:
        _, facts = detect.read(magic + rest)
    except InvalidImage as error:
        assert error.code and error.detail
    else:
        assert facts.width >= 0 and facts.height >= 0


@settings(max_examples=500, deadline=2000)
@given(st.sampled_from(sorted(pictures.whole_files())), st.data())
def test_a_file_with_any_field_changed_is_read_or_refused(name, data):
    """A few bytes become 0, the most there is, or anything."""
    changed = bytearray(pictures.whole_files()[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(changed), 700) - 1))
        new = data.draw(st.one_of(st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff", b"\0"]), st.binary(max_size=4)))
        changed[at : at + len(new)] = new
    try:
        detect.read(bytes(changed))
    except InvalidImage as error:
        assert error.code and error.detail


@pytest.mark.parametrize(
    "data",
    [
        jpegs.with_exif(jpegs.jpeg(SCENE), ORIENTED),
        pngs.png(SCENE, after=[pngs.chunk(b"eXIf", ORIENTED)]),
        webs.webp(SCENE, exif=b"Exif\0\0" + ORIENTED),
        webs.webp(SCENE, exif=ORIENTED),
        *(
            heifs.file([heifs.hevc(TILE)], exif=heifs.exif_item(ORIENTED, style))
            for style in ("plain", "exif", "marker")
        ),
    ],
    ids=["JPEG", "PNG", "WebP", "WebP without a name", "HEIC", "HEIC with a name", "HEIC with a marker"],
)
def test_exif_starts_with_its_header(data):
    """Whatever a format, or a phone, puts before it."""
    assert detect.read(data)[1].exif == ORIENTED


P3 = profiles.display_p3()


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (jpegs.with_profile(jpegs.jpeg(SCENE), P3, 400), Icc(P3)),
        (pngs.png(SCENE, before=[pngs.profile(P3)]), Icc(P3)),
        (pngs.png(SCENE, before=[pngs.srgb(), pngs.profile(P3)]), Icc(P3)),
        (pngs.png(SCENE, before=[pngs.profile(P3), pngs.code_points(9, 16)]), Cicp(9, 16)),
        (pngs.png(SCENE, before=[pngs.gamma(1.0), pngs.srgb()]), Cicp(1, 13)),
        (pngs.png(SCENE, before=[pngs.chunk(b"gAMA", bytes(4))]), None),
        (pngs.png(SCENE, before=[pngs.gamma(2.2), pngs.chromaticities(*[0.0] * 8)]), None),
        (pngs.png(SCENE, before=[pngs.chunk(b"iCCP", b"broken\0\0broken")]), None),
        (webs.webp(SCENE, icc_profile=P3), Icc(P3)),
        (tag_files.tiff(SCENE, t34675=P3), Icc(P3)),
        (bmps.with_profile(SCENE, P3), Icc(P3)),
        (bmps.calibrated(SCENE, ((0.0, 0.0, 0.0),) * 3, 2.2), None),
        (heifs.file([heifs.hevc(TILE)], properties=[heifs.nclx(12, 13), heifs.profile(P3)]), Icc(P3)),
        (heifs.file([heifs.hevc(TILE)], properties=[heifs.nclx(12, 13)]), Cicp(12, 13)),
        (jpegs.jpeg(SCENE), None),
    ],
)  # fmt: skip
def test_the_signal_that_comes_first_is_the_colour(data, colour):
    """By each format's own order."""
    assert detect.read(data)[1].colour == colour


def test_a_gamma_alone_has_the_primaries_of_srgb():
    """PNG's gAMA without cHRM."""
    colour = detect.read(pngs.png(SCENE, before=[pngs.gamma(1.8)]))[1].colour
    assert isinstance(colour, Calibrated)
    assert colour.gamma == pytest.approx(1.8, abs=0.001) and colour.chromaticities[2:4] == (0.64, 0.33)


def test_a_profile_may_name_code_points():
    """HDR pictures have them."""
    assert icc.cicp(profiles.pq_bt2020()) == Cicp(9, 16)
    assert icc.cicp(P3) is None


@given(st.binary(max_size=400), st.integers(0, 2**32 - 1))
def test_any_profile_has_code_points_or_none(profile, count):
    """And no error."""
    whole = bytes(128) + count.to_bytes(4) + b"cicp" + profile
    assert icc.cicp(whole) is None or isinstance(icc.cicp(whole), Cicp)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\x0a" + bytes(50), "unsupported"),
        (b"II+\0\x08\0\0\0" + bytes(50), "unsupported"),
        (tag_files.tiff(SCENE, 8), "unsupported"),
        (jpegs.jpeg(SCENE).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x08"), "unsupported"),
        (jpegs.jpeg(SCENE).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "unsupported"),
        (heifs.container([heifs.item(b"jpeg", b"x", [(b"ispe", struct.pack(">III", 0, 9, 9))])]), "unsupported"),
        (tag_files.directories({}), "truncated"),
    ],
    ids=["JPEG XL", "BigTIFF", "L*a*b* of 8 bits", "lossless JPEG", "JPEG of 12 bits", "JPEG in HEIF", "no tags"],
)  # fmt: skip
def test_what_can_not_be_read_here_has_its_reason(data, code):
    """A person can do something about `unsupported`: save the picture as a JPEG."""
    assert reason(data) == code


def test_a_heif_without_its_alpha_is_refused():
    """A transparent logo with half of its transparency is another picture."""
    data = pictures.whole_files()["HEIC alpha"]
    assert reason(data[:-20]) == "truncated"


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_size_of_heif_is_that_of_the_upright_picture(turn):
    """Turned by its own boxes, and cropped before that."""
    coded = heifs.hevc(scenes.gradient(128, 64))
    plain = detect.read(heifs.file([coded], properties=heifs.turned(turn)))[1]
    assert (plain.width, plain.height) == ((64, 128) if turn >= 5 else (128, 64))
    cropped = detect.read(heifs.file([coded], properties=[heifs.cropped(96, 40), *heifs.turned(turn)]))[1]
    assert (cropped.width, cropped.height) == ((40, 96) if turn >= 5 else (96, 40))


def test_the_stream_of_a_jpeg_has_nothing_that_deserves_a_warning():
    """No metadata, no bytes between segments, the usual JFIF, and an end."""
    for name, data in jpegs.kinds(SCENE).items():
        stream = jpeg.read(data).stream
        assert stream.endswith(jpegs.EOI), name
        assert jpegs.segments(stream) <= {0xD8, 0xE0, 0xEE, 0xDB, 0xC0, 0xC2, 0xC4, 0xDD, 0xDA}, name


def test_a_progressive_jpeg_must_send_every_bit():
    """Without its last scan it decodes, and is blurred."""
    data = jpegs.jpeg(SCENE, progressive=True)
    for scan in jpegs.scans(data)[:-1]:
        assert reason(data[: scan.stop] + jpegs.EOI) == "truncated"


def test_a_bomb_of_tags_costs_little_time():
    """60,000 tags name the same three megabytes; only those that are wanted are read."""
    entries = b"".join(struct.pack("<HHII", tag, 1, 3_000_000, 8) for tag in range(300, 50_000))
    data = b"II*\0" + struct.pack("<IH", 8, 49_700) + entries + bytes(3_000_000)
    start_s = time.process_time()
    with pytest.raises(InvalidImage):
        tiff.read(data)
    assert time.process_time() - start_s < 5


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 2, 4, 8, 16]))
@settings(max_examples=40, deadline=None)
def test_a_grey_png_of_any_depth_keeps_its_levels(width, height, depth):
    """The whole way: header, rows of bits, and the decoder."""
    most = 2**depth - 1
    levels = np.arange(width * height).reshape(height, width) * 7 % (most + 1)
    ours = pictures.master_pixels(pngs.png(levels, pngs.GREY, depth))
    assert np.abs(ours[:, :, 0] - levels * (255 / most)).max() <= 1
