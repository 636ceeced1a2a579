"""The search for canaries finds each form of a needle, wherever it is planted, and nothing where there is none."""

import base64
import json
import os
import sqlite3
from contextlib import closing
from urllib.parse import quote, quote_plus

import pytest

from processing.imaging.header import read_header
from tests.builders import canary, pictures
from tests.builders.canary import Needle, Search, Sighting, object_needles, search

TEXT = "Łąka 🌊 am Fluß /x?y+z"
UTF_16 = TEXT.encode("utf-16-be")
BYTES = bytes(range(240, 256)) + b"><"
PLANTED = {
    "UTF-8": (TEXT, TEXT.encode()),
    "UTF-16, little-endian": (TEXT, TEXT.encode("utf-16-le")),
    "UTF-16, big-endian": (TEXT, TEXT.encode("utf-16-be")),
    "JSON-escaped": (TEXT, json.dumps({"caption": TEXT}).encode()),
    "JSON-escaped, as Java does": (TEXT, rb"\u0141\u0105ka \uD83C\uDF0A am Flu\u00DF /x?y+z"),
    "JSON-escaped twice": (TEXT, json.dumps({"event": json.dumps({"caption": TEXT})}).encode()),
    "percent-encoded": (TEXT, quote(TEXT, safe="").encode()),
    "percent-encoded, in small letters": (BYTES, quote(BYTES, safe="").lower().encode()),
    "percent-encoded, of a form": (TEXT, quote_plus(TEXT).encode()),
    "hex": (TEXT, TEXT.encode().hex().encode()),
    "hex, in capitals": (BYTES, BYTES.hex().upper().encode()),
    "bytes": (BYTES, BYTES),
    **{f"base64, of text after {n}": (TEXT, base64.b64encode(b"x" * n + TEXT.encode() + b"y")) for n in range(4)},
    **{f"base64, of bytes after {n}": (BYTES, base64.urlsafe_b64encode(b"x" * n + BYTES)) for n in range(4)},
}


@pytest.mark.parametrize("form", PLANTED)
def test_each_form_is_found_and_named(tmp_path, form):
    """With the file and the offset at which it begins."""
    value, planted = PLANTED[form]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "today").write_bytes(b"\0" * 1000 + planted + b"\0" * 1000)
    (tmp_path / "other").write_bytes(planted[:-9] + planted[-8:])
    found = [one for one in search(tmp_path, [Needle("a text", value)]) if one.file == "logs/today"]
    assert {(one.part, one.label) for one in found} == {("content", "a text")}
    assert form.partition(", of")[0].partition(", in")[0].partition(", as")[0] in {one.form for one in found}
    assert all(1000 <= one.offset < 1000 + len(planted) for one in found)


def test_a_form_that_is_not_asked_for_is_not_found(tmp_path):
    """Such as of bytes in the middle of an object, which nothing writes otherwise than as they are."""
    (tmp_path / "file").write_bytes(BYTES.hex().encode() + BYTES)
    assert search(tmp_path, [Needle("part", BYTES, in_all_forms=False)]) == [
        Sighting("file", "content", 2 * len(BYTES), "part", "bytes")
    ]


@pytest.mark.parametrize("before", [-40, -1, 0])
def test_a_needle_in_two_pieces_of_a_file_is_found_once(tmp_path, before):
    """A large file is read in pieces."""
    at = canary._READ_BYTES + before
    with (tmp_path / "large").open("wb") as file:
        file.write(bytes(at) + TEXT.encode() + bytes(100))
    search = Search([Needle("a text", TEXT), Needle("another", TEXT * 3)])
    assert list(search.under(tmp_path)) == [Sighting("large", "content", at, "a text", "UTF-8")]
    assert (search.files, search.size_bytes) == (1, at + len(TEXT.encode()) + 100 + len("large"))


@pytest.mark.parametrize("at", [10 << 20, (10 << 20) + 4096 - len(UTF_16), (10 << 20) - 1])
def test_what_lies_between_holes_is_found_and_the_holes_are_not_read(tmp_path, at):
    """Kafka's indexes are 10 MB of which nothing is written. A text may begin or end in a hole, since it has zeros."""
    with (tmp_path / "index").open("wb") as file:
        file.truncate(1 << 30)
        file.seek(at)
        file.write(UTF_16)
    search = Search([Needle("a text", TEXT), Needle("another", TEXT * 3)])
    assert [(one.offset, one.form) for one in search.under(tmp_path)] == [(at, "UTF-16, big-endian")]
    assert search.size_bytes < 1 << 20


def test_a_text_that_is_written_on_both_sides_of_a_hole_is_found_twice(tmp_path):
    """At its place, each."""
    ends = (0, (1 << 30) - len(TEXT.encode()))
    with (tmp_path / "file").open("wb") as file:
        for at in ends:
            file.seek(at)
            file.write(TEXT.encode())
    assert [one.offset for one in search(tmp_path, [Needle("a text", TEXT)])] == list(ends)


def test_every_sighting_is_reported(tmp_path):
    """Also of needles that lie in one another, and several times in a file."""
    (tmp_path / "file").write_bytes(b"abcdefghijkl" * 2)
    found = search(tmp_path, [Needle("long", "abcdefghijkl"), Needle("within", "cdefghij")])
    assert sorted((one.label, one.offset) for one in found) == [
        ("long", 0),
        ("long", 12),
        ("within", 2),
        ("within", 14),
    ]


def test_names_links_and_attributes_are_searched(tmp_path):
    """An S3 gateway keeps an object's metadata in extended attributes, and its key is a name."""
    (tmp_path / TEXT.replace("/", "")).mkdir()
    (tmp_path / "link").symlink_to(f"nowhere/{quote_plus(TEXT)}")
    (tmp_path / "object").touch()
    os.setxattr(tmp_path / "object", "user.X-Amz-Meta", json.dumps({"caption": TEXT}).encode())
    found = search(tmp_path, [Needle("a text", TEXT), Needle("a name", TEXT.replace("/", ""))])
    assert sorted(found) == [
        Sighting("link", "content", 8, "a text", "percent-encoded"),
        Sighting("object", "user.X-Amz-Meta", 29, "a text", "JSON-escaped"),
        Sighting(TEXT.replace("/", ""), "name", 0, "a name", "UTF-8"),
    ]


def test_files_that_vanish_meanwhile_are_no_error(tmp_path):
    """Stores remove files all the time."""
    for number in range(20):
        (tmp_path / f"folder{number}").mkdir()
        (tmp_path / f"folder{number}" / "file").write_text(TEXT)
    sightings = Search([Needle("a text", TEXT)]).under(tmp_path)
    next(sightings)
    for file in tmp_path.rglob("file"):
        file.unlink()
    for folder in list(tmp_path.iterdir())[::2]:
        folder.rmdir()
    assert list(sightings) == []


def test_a_needle_that_may_be_anywhere_is_rejected():
    """Three letters are found in every file."""
    with pytest.raises(ValueError, match="Ana's name is too short"):
        Search([Needle("Ana's name", "Ana")])


def test_what_is_in_the_log_of_a_database_is_found(tmp_path):
    """SQLite writes it there first, and into the database when it is checkpointed."""
    ana = canary.person("ana", 1)
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as catalog:
        catalog.execute("PRAGMA journal_mode=WAL")
        catalog.execute("PRAGMA wal_autocheckpoint=0")
        catalog.execute("CREATE TABLE photos (caption TEXT)")
        catalog.execute("INSERT INTO photos VALUES (?)", (ana.caption,))
        catalog.commit()
        found = search(tmp_path, ana.needles())
    assert {(one.file, one.label) for one in found} == {
        ("catalog.db-wal", "ana's caption"),
        ("catalog.db-wal", "a word of ana's caption"),
    }


def test_an_object_that_a_store_cut_into_pages_is_found(tmp_path):
    """By a window, though its first 4 KiB are nowhere in one piece."""
    variant = canary.picture(3)
    with closing(sqlite3.connect(tmp_path / "spill.db")) as spill:
        spill.execute("PRAGMA page_size=1024")
        spill.execute("CREATE TABLE objects (data BLOB)")
        spill.execute("INSERT INTO objects VALUES (?)", (variant,))
        spill.commit()
    assert variant[:4096] not in (tmp_path / "spill.db").read_bytes()
    labels = {one.label for one in search(tmp_path, object_needles("a variant", variant))}
    assert labels == {"beginning of a variant", "part of a variant"}


@pytest.mark.parametrize("cut", ["beginning", "middle", "end"])
def test_part_of_an_object_is_enough(tmp_path, cut):
    """Its first 4 KiB, a tenth of it anywhere, or its end."""
    data = canary.person("ana", 1).photo(canary.picture(4)) * 4
    slices = {"beginning": slice(4096), "middle": slice(len(data) // 2, len(data) * 6 // 10), "end": slice(-1000, None)}
    (tmp_path / "part").write_bytes(data[slices[cut]])
    assert search(tmp_path, object_needles("raw", data))


def test_an_object_is_known_by_its_sum(tmp_path):
    """Written as bytes, as digits, or as in S3's header of a checksum."""
    data, digest = canary.picture(5), object_needles("raw", canary.picture(5))[1].value
    for name, written in {"bytes": digest, "digits": digest.hex().encode(), "header": base64.b64encode(digest)}.items():
        (tmp_path / name).write_bytes(b"sum=" + written)
    assert {one.file for one in search(tmp_path, object_needles("raw", data))} == {"bytes", "digits", "header"}


def test_nobodys_needle_is_somebody_elses(tmp_path):
    """Nor does another picture have windows of this one, though one program wrote both."""
    ana, eva = canary.person("ana", 1), canary.person("eva", 1)
    mine, hers = ana.photo(canary.picture(1)), eva.photo(canary.picture(2))
    (tmp_path / "mine").write_bytes(mine)
    (tmp_path / "words").write_text(" ".join((ana.name, ana.handle, ana.caption, ana.comment)))
    assert search(tmp_path, [*ana.needles(), *object_needles("mine", mine)])
    assert search(tmp_path, [*eva.needles(), *object_needles("hers", hers), *canary.person("ana", 2).needles()]) == []


def test_each_thing_of_a_person_is_a_needle(tmp_path):
    """Their words, and what their camera wrote into a photo."""
    ana = canary.person("ana", 1)
    (tmp_path / "raw").write_bytes(ana.photo(canary.picture(1)))
    assert {one.label for one in search(tmp_path, ana.needles())} == {
        "ana's camera",
        "a word of ana's camera",
        "ana's camera's remark",
    }
    (tmp_path / "raw").write_text("\n".join((ana.name, ana.handle, ana.caption, ana.comment)))
    assert {one.label for one in search(tmp_path, ana.needles())} == {
        "ana's handle",
        *(f"{start}ana's {what}" for what in ("name", "caption", "comment") for start in ("", "a word of ")),
    }


def test_a_photo_is_one_whose_variants_are_other_bytes(tmp_path):
    """It is read as any other, with the camera's name; no needle of the raw is in a variant, which has its own."""
    ana = canary.person("ana", 1)
    raw = ana.photo(canary.picture(1))
    assert read_header(raw).camera == ana.camera
    variants = pictures.variants(raw)
    for size, data in variants.items():
        (tmp_path / str(size)).write_bytes(data)
    assert search(tmp_path, [*ana.needles(), *object_needles("raw", raw)]) == []
    for size, data in variants.items():
        found = search(tmp_path, object_needles(str(size), data))
        assert {one.file for one in found} == {str(other) for other, bytes_ in variants.items() if bytes_ == data}
