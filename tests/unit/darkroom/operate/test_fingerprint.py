"""`darkroom fingerprint`: what it prints can be put into the known-bad list, and does what it says."""

import hashlib

import pytest
from PIL import Image

from darkroom.cli import main
from darkroom.operate import fingerprint
from processing import moderation


@pytest.fixture
def photo(tmp_path, draw):
    path = tmp_path / "harbour at # noon.jpg"
    path.write_bytes(draw(1, 800, 600))
    return path


@pytest.fixture
def wall(tmp_path):
    path = tmp_path / "wall.png"
    Image.new("RGB", (400, 300), (200, 190, 180)).save(path)
    return path


def fingerprints_of(capsys, *paths) -> str:
    assert main(["fingerprint", *map(str, paths)]) == 0
    return capsys.readouterr().out


def test_the_lines_recognise_the_file_and_what_looks_like_it(photo, tmp_path, capsys):
    """A smaller copy has other bytes, and is recognised by its perceptual hash."""
    known = moderation.parse(fingerprints_of(capsys, photo))
    copy = tmp_path / "copy.jpg"
    Image.open(photo).resize((400, 300)).save(copy, quality=70)
    looks_like = fingerprints_of(capsys, copy).splitlines()[1].split()[1]
    assert known.sha256s == {hashlib.sha256(photo.read_bytes()).hexdigest()}
    assert moderation.is_known_bad(known, "0" * 64, looks_like)


def test_each_line_names_its_file(photo, wall, capsys):
    """As a comment of the list."""
    *of_photo, _, no_hash = fingerprints_of(capsys, photo, wall).splitlines()
    assert [line.partition("  # ")[2] for line in of_photo] == [photo.name, photo.name]
    assert no_hash.startswith("# wall.png can't be recognised by what it looks like")


def test_a_picture_without_detail_is_recognised_by_its_bytes_only(wall, capsys):
    """What is printed says why, in a comment of the list."""
    known = moderation.parse(fingerprints_of(capsys, wall))
    assert len(known.sha256s) == 1 and known.hashes == b""


def test_a_name_can_not_add_a_line(photo, tmp_path, capsys):
    """Whatever characters are in it."""
    odd = tmp_path / "a\nsha256 [red]b\x1b[31m\u2028c.jpg"
    photo.rename(odd)
    assert len(fingerprints_of(capsys, odd).splitlines()) == 2


def test_what_is_no_picture_is_named_and_the_others_are_printed(photo, tmp_path, capsys):
    """The exit code is 1."""
    text, missing = tmp_path / "notes.txt", tmp_path / "missing.jpg"
    text.write_text("no picture")
    assert main(["fingerprint", str(text), str(missing), str(photo)]) == 1
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 2
    assert "not a JPEG" in shown.err.replace("\n", " ") and "can't be read" in shown.err.replace("\n", " ")


def test_the_lines_are_those_that_the_photo_job_would_compare(photo):
    """They are made from the same pixels."""
    by_bytes, by_look = fingerprint.lines("x", photo.read_bytes())
    assert (by_bytes.split()[0], by_look.split()[0]) == ("sha256", "phash")
    assert len(by_look.split()[1]) == 64
