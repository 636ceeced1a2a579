"""Hostile files: each is refused for a true reason, or drawn, in bounded time and memory, and in a process of its own.

The rule for files that were cut short: such a file is refused, or its picture is, pixel by pixel, that of the whole
file. So a JPEG without its end marker is a photo, an animation whose first frame is whole is one, and no picture with a
grey, green or black part is ever published.
"""

import re
from collections.abc import Iterator

import pytest

from regions.image_limits import MAX_RAW_BYTES
from tests.builders import cuts, hostile, jpegs, pictures, scenes, tag_files
from tests.builders.sandbox import READY, Outcome, Sandbox

REASONS = {"truncated", "damaged", "unsupported", "too-many-pixels", "too-complex", "not-an-image", "raw-file"}
CPU_S = 20
# The limit of a worker in processing/photo_cluster.py.
PEAK_BYTES = 3 << 30
# What would tell a stranger how the service is built.
INSIDE = re.compile(r"/|\\|vips|pillow|libjpeg|libheif|tiff2|0x[0-9a-f]+|Error|Exception|\.py", re.IGNORECASE)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("hostile"), CPU_S) as running:
        yield running


def assert_true(outcome: Outcome, codes: set[str] = REASONS, name: str = "") -> None:
    assert outcome.code in codes, (name, outcome)
    assert not INSIDE.search(outcome.detail), (name, outcome)
    assert outcome.peak_bytes < PEAK_BYTES, (name, outcome)


@pytest.mark.parametrize("name", pictures.whole_files())
def test_a_cut_file_is_refused_or_has_lost_nothing(sandbox, name):
    """At every marker, chunk and box, and between them."""
    data = pictures.whole_files()[name]
    whole = sandbox.run(data)
    assert whole.code == READY, whole
    near = {start + step for start in pictures.starts(name, data) for step in (-1, 0, 1, 2)}
    places = sorted(place for place in near | set(_everywhere(data)) if 0 <= place < len(data))
    for place in places:
        _assert_refused_or_same(sandbox.run(data[:place]), whole, f"cut at {place} of {len(data)}")


def _everywhere(data: bytes) -> list[int]:
    """Two dozen places, and all of the last few bytes, which are where a decoder may not notice."""
    return [*(len(data) * part // 24 for part in range(24)), *range(max(0, len(data) - 12), len(data))]


def _assert_refused_or_same(outcome: Outcome, whole: Outcome, what: str) -> None:
    if outcome.code == READY:
        assert outcome.picture == whole.picture, what
    else:
        assert_true(outcome)


# libtiff decodes a JPEG in a TIFF as far as it goes, and complains of it as it does of harmless things.
@pytest.mark.parametrize("name", [name for name in pictures.whole_files() if name != "TIFF jpeg"])
def test_a_cut_file_that_was_closed_is_refused_or_has_lost_nothing(sandbox, name):
    """With an end marker, and lengths that fit, so that only the decoder can tell."""
    data = pictures.whole_files()[name]
    whole = sandbox.run(data)
    for what, closed in cuts.closed(name, data):
        _assert_refused_or_same(sandbox.run(closed), whole, what)


@pytest.mark.parametrize("lost", [1, 2, 40, 400, 4000])
def test_a_large_jpeg_that_lacks_its_last_bytes_is_refused(sandbox, lost):
    """They are a few blocks in the corner, and the decoder shrinks while it reads."""
    data = jpegs.jpeg(scenes.noise(2400, 1600), quality=80, subsampling="4:2:0")
    assert sandbox.run(data[: -2 - lost]).code == "truncated"
    assert sandbox.run(data[: -2 - lost] + jpegs.EOI).code == "truncated"


@pytest.mark.parametrize("much", hostile.BOMBS)
def test_a_bomb_is_defused(sandbox, much):
    """It costs little, and is refused for its reason, or drawn without what was to explode."""
    for name, bomb in hostile.BOMBS[much]().items():
        assert len(bomb.data) < MAX_RAW_BYTES
        assert_true(sandbox.run(bomb.data), bomb.codes, name)


@pytest.mark.parametrize("name", hostile.others())
def test_what_is_no_picture_is_refused(sandbox, name):
    """By its first bytes."""
    assert_true(sandbox.run(hostile.others()[name]), {"not-an-image"})


@pytest.mark.parametrize("maker", tag_files.raw_files())
def test_raw_files_of_cameras_are_refused_by_name(sandbox, maker):
    """Their small previews are not the photo."""
    assert_true(sandbox.run(tag_files.raw_files()[maker]), {"raw-file"})


@pytest.mark.parametrize("name", hostile.polyglots())
def test_variants_have_nothing_of_what_else_a_file_is(name):
    """Archives, scripts and comments stay behind."""
    data = hostile.polyglots()[name]
    assert b"SECRET" in data
    assert all(b"SECRET" not in variant for variant in pictures.variants(data).values())


def test_memory_does_not_grow(sandbox):
    """Once every kind of file has been decoded, whole and cut, four rounds more need no more."""
    small = [data for name, data in pictures.whole_files().items() if "HEIC" not in name]
    small += [data[: len(data) // 2] for data in pictures.whole_files().values()]
    for data in small * 2:
        before = sandbox.run(data)
    for data in small * 4:
        after = sandbox.run(data)
    assert after.now_bytes - before.now_bytes < 16 << 20
