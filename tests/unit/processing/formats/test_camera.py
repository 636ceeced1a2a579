"""What cameras wrote into EXIF: dates, offsets, names, places; and files whose EXIF is broken or hostile."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.formats import camera
from processing.formats.facts import Calibrated
from regions.records import Location
from tests.builders import tag_files
from tests.builders.tag_files import At, Entry, Typed

TAKEN, DIGITIZED, CHANGED = 0x9003, 0x9004, 0x0132
OFFSET_CHANGED, OFFSET_TAKEN, OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
FRACTION_TAKEN = 0x9291
LATE = "2021:05:06 07:08:09"
MAKE, MODEL, ORIENTATION = 0x010F, 0x0110, 0x0112


@pytest.mark.parametrize(
    ("picture", "taken", "expected"),
    [
        ({}, {TAKEN: "2021:05:06 07:08:09"}, "2021-05-06T07:08:09"),
        ({}, {TAKEN: "2021:05:06 07:08:09", OFFSET_TAKEN: "-03:30"}, "2021-05-06T07:08:09-03:30"),
        ({}, {TAKEN: "2021:05:06 07:08:09", FRACTION_TAKEN: "123456"}, "2021-05-06T07:08:09.123"),
        ({}, {TAKEN: "2021:05:06 07:08:09", OFFSET_CHANGED: "+02:00"}, "2021-05-06T07:08:09+02:00"),
        ({}, {DIGITIZED: "1999:05:06 07:08:09", OFFSET_DIGITIZED: "+01:00"}, "1999-05-06T07:08:09+01:00"),
        ({CHANGED: "2024:01:01 00:00:00"}, {DIGITIZED: "1999:05:06 07:08:09"}, "1999-05-06T07:08:09"),
        ({CHANGED: "2024:01:01 00:00:00"}, {OFFSET_CHANGED: "+05:45"}, "2024-01-01T00:00:00+05:45"),
        ({CHANGED: "2024:01:01 00:00:00"}, {TAKEN: "0000:00:00 00:00:00"}, "2024-01-01T00:00:00"),
        ({CHANGED: "2024:01:01 00:00:00"}, {TAKEN: LATE, OFFSET_CHANGED: "+02:00"}, "2021-05-06T07:08:09"),
        ({}, {OFFSET_TAKEN: "+02:00"}, None),
        ({}, {}, None),
    ],
)  # fmt: skip
def test_a_date_keeps_its_own_fraction_and_offset(picture, taken, expected):
    """Taken comes before digitized, and that before changed; nothing is borrowed from another time or place."""
    assert camera.read(tag_files.exif(picture, taken)).taken_at == expected


@pytest.mark.parametrize("offset", ["+14:15", "-12:15", "+25:00", "+02:07", "+2", "02:00", "Z", "+02:00:30", "?", ""])
def test_an_offset_that_is_used_nowhere_is_left_out(offset):
    """Some cameras write their settings there, whatever they are."""
    exif = tag_files.exif({}, {TAKEN: "2021:05:06 07:08:09", OFFSET_TAKEN: offset})
    assert camera.read(exif).taken_at == "2021-05-06T07:08:09"


@pytest.mark.parametrize("offset", ["+14:00", "-12:00", "+05:45", "+00:00", "-09:30"])
def test_an_offset_that_exists_is_kept(offset):
    """From Kiribati to Baker Island, with quarters of an hour."""
    exif = tag_files.exif({}, {TAKEN: "2021:05:06 07:08:09", OFFSET_TAKEN: offset})
    assert camera.read(exif).taken_at == f"2021-05-06T07:08:09{offset}"


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Apple", "iPhone SE (2nd generation)", "Apple iPhone SE (2nd generation)"),
        ("NIKON CORPORATION", "NIKON D70", "NIKON D70"),
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("SONY", "ILCE-7M3", "SONY ILCE-7M3"),
        ("Canon", "", "Canon"),
        ("", "DSC-1", "DSC-1"),
        ("  samsung \0junk", "SM-G991B\0\0", "samsung SM-G991B"),
        ("\x07\r\n", "", None),
    ],
)
def test_a_camera_is_its_maker_and_model(make, model, expected):
    """The maker is named once."""
    assert camera.read(tag_files.exif({MAKE: make, MODEL: model})).camera == expected


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        ({1: "N", 2: tag_files.degrees(38, 43, 12), 3: "W", 4: tag_files.degrees(9, 8, 24)}, (38.72, -9.14, None)),
        ({1: "S", 2: tag_files.degrees(90, 0, 0), 3: "E", 4: tag_files.degrees(180, 0, 0)}, (-90, 180, None)),
        ({2: tag_files.degrees(1, 30, 0), 4: tag_files.degrees(2, 0, 0), 6: tag_files.degrees(12.34)}, (1.5, 2, 12.3)),
        (
            {2: tag_files.degrees(1, 0, 0), 4: tag_files.degrees(2, 0, 0), 5: Typed(1, [1]), 6: tag_files.degrees(30)},
            (1, 2, -30),
        ),
        ({2: tag_files.degrees(90, 0, 1), 4: tag_files.degrees(2, 0, 0)}, None),
        ({2: tag_files.degrees(1, 0, 0), 4: tag_files.degrees(180, 1, 0)}, None),
        ({2: tag_files.degrees(1, 0, 0), 4: tag_files.degrees(2, 0)}, None),
        ({2: tag_files.degrees(1, 0, 0)}, None),
        ({2: Typed(5, [(1, 0), (0, 1), (0, 1)]), 4: tag_files.degrees(2, 0, 0)}, None),
        ({2: tag_files.degrees(1, 0, 0), 4: tag_files.degrees(2, 0, 0), 9: "V"}, None),
        ({2: "38 N", 4: "9 W"}, None),
        ({2: tag_files.degrees(1, 0, 0), 4: tag_files.degrees(2, 0, 0), 6: Typed(5, [(0xFFFFFFFF, 1)])}, (1, 2, None)),
    ],
)
def test_a_place_is_on_earth(gps, expected):
    """Latitudes to 90 degrees, longitudes to 180; no place without both, or where the receiver had none."""
    location = camera.read(tag_files.exif({}, None, gps)).location
    assert location == (None if expected is None else Location(*expected))


@pytest.mark.parametrize("value", [*range(10), 65_535, "6", Typed(3, [6, 6]), Typed(4, [6]), Typed(5, [(6, 1)])])
def test_an_orientation_is_from_1_to_8(value):
    """Of any type of whole number; everything else counts as upright."""
    orientation = camera.read(tag_files.exif({ORIENTATION: value})).orientation
    expected = value if isinstance(value, int) and 1 <= value <= 8 else 1
    assert orientation == (6 if value in (Typed(4, [6]), Typed(5, [(6, 1)])) else expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("space", "option", "is_adobe"),
    [(2, None, True), (1, "R03", False), (0xFFFF, "R03", True), (0xFFFF, "R98", False), (0xFFFF, None, False)],
)
def test_adobe_rgb_is_named_by_an_option_or_a_number(order, space, option, is_adobe):
    """DCF's option R03, unless the file says sRGB."""
    options = {} if option is None else {0xA005: {1: option}}
    colour = camera.read(tag_files.exif({}, {0xA001: space, **options}, order=order)).colour
    assert isinstance(colour, Calibrated) is is_adobe


def test_exif_is_read_to_its_end():
    """A maker's note of megabytes may stand before what is wanted; phones write such."""
    far = {0x8769: {0x927C: At(bytes(5_000_000)), TAKEN: "2021:05:06 07:08:09"}}
    assert camera.read(tag_files.directories(far)).taken_at == "2021-05-06T07:08:09"


def test_a_tag_that_can_not_be_read_costs_only_itself():
    """Its bytes are not there, or are of an unknown type."""
    exif = tag_files.exif({MAKE: Entry(2, 100, 9_000_000), MODEL: Entry(99, 1, 0), ORIENTATION: 6})
    assert (camera.read(exif).orientation, camera.read(exif).camera) == (6, None)


def test_a_loop_of_directories_ends():
    """Each directory may be any other, and itself."""
    exif = tag_files.exif({0x8769: Entry(4, 1, 8), 0x8825: Entry(4, 1, 8), ORIENTATION: 6})
    assert camera.read(exif).orientation == 6


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II*\0", b""]), st.binary(max_size=300))
def test_any_bytes_are_facts(start, rest):
    """Without an error."""
    assert camera.read(start + rest).orientation in range(1, 9)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_exif_with_any_bytes_changed_is_facts(data):
    """The same for one that is nearly right."""
    gps = {1: "N", 2: tag_files.degrees(38, 43, 12), 3: "W", 4: tag_files.degrees(9, 8, 24)}
    exif = bytearray(tag_files.exif({MAKE: "Canon", ORIENTATION: 3}, {TAKEN: "2021:05:06 07:08:09"}, gps))
    for _ in range(data.draw(st.integers(1, 6))):
        exif[data.draw(st.integers(8, len(exif) - 1))] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    facts = camera.read(bytes(exif))
    assert facts.location is None or abs(facts.location.latitude) <= 90
