"""People whose every word and photo can be recognised, and the search for them in the files of a place.

A needle is a text or bytes that are nowhere else; `search` looks for it as programs write it: in other encodings, in
the names of files and in their extended attributes, where an S3 gateway keeps metadata. What a store compresses or
encrypts hides from it: turn that off, and look for something that must be found as well, or the search shows nothing.

Photos are compressed again, so their pixels carry nothing over. A raw is recognised by what a camera wrote into it; any
object by its SHA-256, and by short windows of its bytes: short, since a store may cut an object into pages of 4 KiB.
"""

import base64
import binascii
import errno
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import ahocorasick_rs
from PIL import Image

from tests.builders import jpegs

_LEAST_NEEDLE_BYTES = 8
_WINDOW_BYTES = 16
_BEGINNING_BYTES = 4096
_BEGINNING_STEP_BYTES = 512
_LATER_WINDOWS = 24
# A window with fewer different bytes may be in any file: padding, or a table.
_LEAST_DISTINCT = 10
_COMMENT_BYTES = 3000
_COMMENT_MARKER, _EXIF_MARKER, _MODEL = 0xFE, 0xE1, 0x0110
_START_OF_SCAN = b"\xff\xda"
_READ_BYTES = 8 << 20


class Needle(NamedTuple):
    """`label` says for people whose it is, and what. `in_all_forms`: not only as it is, but in every encoding."""

    label: str
    value: str | bytes
    in_all_forms: bool = True


@dataclass(frozen=True, slots=True)
class Canary:
    """One person's words. Each has letters of several alphabets, and ends in a word that is nowhere else."""

    label: str
    name: str
    handle: str
    caption: str
    comment: str
    camera: str
    remark: bytes
    """What the camera wrote as a comment into each photo; at the beginning of the file, so in its first 4 KiB."""

    def photo(self, picture: bytes) -> bytes:
        """A JPEG as this person's camera writes it: the same picture, with the camera's name and remark."""
        exif = Image.Exif()
        exif[_MODEL] = self.camera
        remarked = jpegs.with_segment(picture, _COMMENT_MARKER, self.remark)
        return jpegs.with_segment(remarked, _EXIF_MARKER, exif.tobytes())

    def needles(self) -> list[Needle]:
        """All but those of objects."""
        texts = {"name": self.name, "caption": self.caption, "comment": self.comment, "camera": self.camera}
        whole = [Needle(f"{self.label}'s {what}", text) for what, text in texts.items()]
        words = [Needle(f"a word of {self.label}'s {what}", text.split()[-1]) for what, text in texts.items()]
        remark = [Needle(f"{self.label}'s camera's remark", window) for window in windows(self.remark)]
        return [*whole, *words, Needle(f"{self.label}'s handle", self.handle), *remark]


def person(label: str, seed: int) -> Canary:
    """The same person for the same label and seed; no two share a word."""
    dice = Random(f"{label} {seed}")

    def word() -> str:
        return "".join(dice.choices("abcdefghijkmnopqrstuvwxyz23456789", k=16))

    return Canary(
        label,
        name=f"Zoë Łąkowa {word()}",
        handle=word(),
        caption=f"L’été à la mer 🌊 {word()}",
        comment=f"Wunderschön, größer als 日本 {word()}",
        camera=f"Canary {word()}",
        remark=dice.randbytes(_COMMENT_BYTES),
    )


def object_needles(label: str, data: bytes) -> list[Needle]:
    """Of a raw or a variant: its SHA-256 and windows of its bytes, most of them of its first 4 KiB."""
    digest = hashlib.sha256(data)
    sums = [Needle(f"SHA-256 of {label}", digest.hexdigest()), Needle(f"SHA-256 of {label}", digest.digest())]
    later = range(_BEGINNING_BYTES, len(data), max(1, (len(data) - _BEGINNING_BYTES) // _LATER_WINDOWS))
    ends = [data[at : at + _WINDOW_BYTES] for at in later] + [data[-_WINDOW_BYTES:]]
    return [
        *sums,
        *(Needle(f"beginning of {label}", window) for window in windows(data)),
        *(Needle(f"part of {label}", window, in_all_forms=False) for window in ends if _is_distinct(window)),
    ]


def windows(data: bytes) -> list[bytes]:
    """Of the first 4 KiB; of a JPEG only from its picture on, since an encoder writes the same tables into each."""
    scan = data.find(_START_OF_SCAN) if data.startswith(b"\xff\xd8") else 0
    found = [data[at : at + _WINDOW_BYTES] for at in range(max(0, scan) + 16, _BEGINNING_BYTES, _BEGINNING_STEP_BYTES)]
    return [window for window in found if _is_distinct(window)]


def _is_distinct(window: bytes) -> bool:
    return len(window) == _WINDOW_BYTES and len(set(window)) >= _LEAST_DISTINCT


def forms(needle: Needle) -> dict[bytes, str]:
    """How a needle may stand in a file, and what that form is called."""
    raw = needle.value.encode() if isinstance(needle.value, str) else needle.value
    written = [(raw, "UTF-8" if isinstance(needle.value, str) else "bytes")]
    if needle.in_all_forms:
        written += [*(_text_forms(needle.value) if isinstance(needle.value, str) else []), *_byte_forms(raw)]
    # The first name of those that are written alike.
    return dict(reversed(written))


def _text_forms(text: str) -> Iterator[tuple[bytes, str]]:
    yield text.encode("utf-16-le"), "UTF-16, little-endian"
    yield text.encode("utf-16-be"), "UTF-16, big-endian"
    escaped = json.dumps(text)[1:-1]
    yield escaped.encode(), "JSON-escaped"
    # As Java's libraries write it.
    yield re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda digits: digits[0].upper(), escaped).encode(), "JSON-escaped"
    yield escaped.replace("\\", "\\\\").encode(), "JSON-escaped twice"
    yield quote_plus(text).encode(), "percent-encoded"


def _byte_forms(raw: bytes) -> Iterator[tuple[bytes, str]]:
    encoded = quote(raw, safe="")
    yield encoded.encode(), "percent-encoded"
    yield re.sub("%[0-9A-F]{2}", lambda digits: digits[0].lower(), encoded).encode(), "percent-encoded"
    yield binascii.hexlify(raw), "hex"
    yield binascii.hexlify(raw).upper(), "hex"
    for before in range(3):
        part = _base64_part(raw, before)
        yield part, "base64"
        yield part.translate(bytes.maketrans(b"+/", b"-_")), "base64"


def _base64_part(raw: bytes, before: int) -> bytes:
    """The characters that depend on these bytes only, when so many others come before them in their group of three."""
    end = (before + len(raw)) * 8 // 6
    return base64.b64encode(bytes(before) + raw)[-(-before * 8 // 6) : end]


class Sighting(NamedTuple):
    """`part` is "content", "name", or the name of an extended attribute; `offset` the first byte in it."""

    file: str
    part: str
    offset: int
    label: str
    form: str


class _Piece(NamedTuple):
    """Of a file: the number of its first byte, and its bytes."""

    offset: int
    data: bytes


class Search:
    """Looks for all needles at once. Counts what it looked at, since a search of nothing finds nothing."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        """Raises ValueError for a needle that is so short that it may be anywhere."""
        self._found_as: dict[bytes, list[tuple[str, str]]] = {}
        for needle in needles:
            for pattern, form in forms(needle).items():
                if len(pattern) < _LEAST_NEEDLE_BYTES:
                    raise ValueError(f"{needle.label} is too short to be recognised: {needle.value!r}")
                self._found_as.setdefault(pattern, []).append((needle.label, form))
        self._patterns = list(self._found_as)
        self._longest = max(map(len, self._patterns))
        self._automaton = ahocorasick_rs.BytesAhoCorasick(self._patterns)
        self.files = self.size_bytes = 0

    def under(self, folder: Path) -> Iterator[Sighting]:
        """In every file and folder, also such as vanish meanwhile; links are not followed."""
        for parent, folders, names in os.walk(folder, onerror=_raise_unless_gone):
            for name in (*folders, *names):
                path = Path(parent, name)
                file = path.relative_to(folder).as_posix()
                for part, pieces in self._parts(path, name):
                    for offset, label, form in self._in_pieces(pieces):
                        yield Sighting(file, part, offset, label, form)

    def _parts(self, path: Path, name: str) -> Iterator[tuple[str, Iterable[_Piece]]]:
        yield "name", [_Piece(0, os.fsencode(name))]
        with suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                yield "content", [_Piece(0, os.fsencode(path.readlink()))]
                return
            for attribute in os.listxattr(path, follow_symlinks=False):
                value = os.getxattr(path, attribute, follow_symlinks=False)
                yield attribute, [_Piece(0, os.fsencode(attribute) + b"=" + value)]
            if stat.S_ISREG(status.st_mode):
                self.files += 1
                yield "content", _pieces(path, self._longest)

    def _in_pieces(self, pieces: Iterable[_Piece]) -> Iterator[tuple[int, str, str]]:
        """Reads on before the end of the last piece, so that nothing is missed that lies in two."""
        tail, passed = b"", 0
        for offset, piece in pieces:
            self.size_bytes += len(piece)
            if offset != passed:
                tail = b""
            joined = tail + piece
            for index, start, end in self._automaton.find_matches_as_indexes(joined, overlapping=True):
                if end > len(tail):
                    for label, form in self._found_as[self._patterns[index]]:
                        yield offset - len(tail) + start, label, form
            passed = offset + len(piece)
            tail = joined[-(self._longest - 1) :]


def search(folder: Path, needles: Iterable[Needle]) -> Sequence[Sighting]:
    return list(Search(needles).under(folder))


def _pieces(path: Path, margin_bytes: int) -> Iterator[_Piece]:
    """Of what was written, and so much around it. Holes are skipped: servers make files that are nearly all hole.

    Read and not mapped: a mapped file that its store cuts off meanwhile would end this process (SIGBUS).
    """
    with path.open("rb", buffering=0) as file:
        at, end = 0, 0
        while True:
            if at >= end:
                start, end = _next_written(file.fileno(), end)
                if start < 0:
                    return
                at, end = max(at, start - margin_bytes), end + margin_bytes
            file.seek(at)
            if not (piece := file.read(min(_READ_BYTES, end - at))):
                return
            yield _Piece(at, piece)
            at += len(piece)


def _next_written(file: int, at: int) -> tuple[int, int]:
    """From where to where, at or after `at`; (-1, -1) if there is nothing more."""
    try:
        start = os.lseek(file, at, os.SEEK_DATA)
        return start, os.lseek(file, start, os.SEEK_HOLE)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return -1, -1


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def picture(seed: int) -> bytes:
    """A small picture that nobody else has, if a test has none of its own."""
    noise = Image.frombytes("RGB", (64, 48), Random(seed).randbytes(64 * 48 * 3)).resize((640, 480))
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=90)
    return file.getvalue()
