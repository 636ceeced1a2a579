"""JPEG (ITU-T T.81): its segments, and the stream from which a strict decoder can tell whether the picture is whole.

A decoder of JPEG never gives up: it fills what is missing with grey, and warns. But it also warns of a dozen harmless
things that cameras do, such as bytes between segments. So the stream that it gets is written anew, with nothing in it
that deserves a harmless warning: an end marker where there was none, no metadata, no bytes between segments, the
parameters of a scan that the standard asks for. Then any warning means that pixels are missing or wrong, and a file
that lacks only its end marker is as good as any.

A progressive JPEG refines the picture scan by scan. One that was cut between two scans decodes without a warning and
is blurred, so the scans are followed here: in the end each coefficient must have been sent to its last bit. Pure.
"""

import re
from dataclasses import dataclass, field

from processing.formats.facts import Facts, Icc, InvalidImage, damaged, truncated, unsupported

MAX_SCANS = 200
"""More than any encoder writes (10, or 64 at most in a script of cjpeg). Each costs a walk over all coefficients."""

_EOI, _SOS = 0xD9, 0xDA
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1, 0xC9), (0xC2, 0xCA)
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)
_TABLES = (0xC4, 0xCC, 0xDB, 0xDD)
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_EXIF, _ICC = b"Exif\x00", b"ICC_PROFILE\x00"
# A marker: not a stuffed byte (FF 00), and no restart marker, which belongs to the scan.
_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_COEFFICIENTS = 64
_UNSENT = 99


@dataclass(slots=True)
class _Reading:
    """What is known from the segments so far."""

    kept: list[bytes | memoryview] = field(default_factory=lambda: [b"\xff\xd8"])
    width: int = 0
    height: int = 0
    is_progressive: bool = False
    # By component: how many of the lowest bits of each coefficient have not been sent.
    unsent_bits: dict[int, list[int]] = field(default_factory=dict)
    scans: int = 0
    has_jfif: bool = False
    exif: bytes = b""
    icc: dict[int, bytes] = field(default_factory=dict)


def read(data: bytes) -> Facts:
    """`data` starts with a start-of-image marker. Raises InvalidImage."""
    reading = _Reading()
    position, ended = 2, False
    while not ended:
        position, ended = _read_segment(data, position, reading)
    _check_whole(reading)
    reading.kept.append(b"\xff\xd9")
    profile = b"".join(reading.icc[number] for number in sorted(reading.icc))
    return Facts(
        reading.width,
        reading.height,
        b"".join(reading.kept),
        exif=reading.exif,
        colour=Icc(profile) if profile else None,
    )


def _read_segment(data: bytes, position: int, reading: _Reading) -> tuple[int, bool]:
    """Reads the segment at `position`, and its scan if it has one. Returns where the next starts, and if it was all."""
    found = _END_OF_SCAN.search(data, position)
    if found is None or found[0][-1] == _EOI:
        return len(data), True
    marker, start = found[0][-1], found.end()
    if marker in _WITHOUT_LENGTH:
        return start, False
    end = start + int.from_bytes(data[start : start + 2])
    if end < start + 2:
        raise truncated() if start + 2 > len(data) else damaged()
    if end > len(data):
        raise truncated()
    body = data[start + 2 : end]
    if marker != _SOS:
        _keep(marker, body, reading)
        return end, False
    _start_scan(body, reading)
    end_of_scan = _end_of_scan(data, end, reading)
    reading.kept.append(memoryview(data)[end:end_of_scan])
    return end_of_scan, False


def _end_of_scan(data: bytes, start: int, reading: _Reading) -> int:
    """Where the entropy-coded data ends: at the next marker, or at the end of the file."""
    if not reading.is_progressive and all(max(unsent) == 0 for unsent in reading.unsent_bits.values()):
        # Nothing but the end marker can follow, at which the decoder stops, whatever is behind it. So any end marker is
        # as good as the first, and that of most files is their last bytes.
        end = data.rfind(b"\xff\xd9", start)
    else:
        found = _END_OF_SCAN.search(data, start)
        end = found.start() if found else -1
    if end < 0:
        end = len(data)
    while end > start and data[end - 1] == 0xFF:
        end -= 1
    return end


def _keep(marker: int, body: bytes, reading: _Reading) -> None:
    """Takes over what the decoder needs of a segment, or what we need."""
    if marker in _SEQUENTIAL or marker in _PROGRESSIVE:
        _start_frame(marker, body, reading)
    elif marker in _OTHER_FRAMES:
        raise unsupported("compressed by a kind of JPEG that is not used for photos (lossless, or hierarchical)")
    elif marker == _APP0 and body.startswith(b"JFIF\x00") and not reading.has_jfif:
        reading.has_jfif = True
        reading.kept.append(_JFIF)
    elif marker == _APP1 and body.startswith(_EXIF) and not reading.exif:
        reading.exif = body[6:]
    elif marker == _APP2 and body.startswith(_ICC) and len(body) > 14:
        reading.icc.setdefault(body[12], body[14:])
    elif marker in _TABLES or (marker == _APP14 and body.startswith(b"Adobe")):
        reading.kept.append(_segment(marker, body))


def _start_frame(marker: int, body: bytes, reading: _Reading) -> None:
    if reading.unsent_bits or len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise damaged()
    if body[0] != 8:
        raise unsupported(f"a JPEG of {body[0]} bits")
    reading.height, reading.width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
    if not reading.width or not reading.height:
        raise damaged()
    reading.is_progressive = marker in _PROGRESSIVE
    reading.unsent_bits = {body[6 + 3 * number]: [_UNSENT] * _COEFFICIENTS for number in range(body[5])}
    if not 0 < len(reading.unsent_bits) <= 4:
        raise damaged()
    reading.kept.append(_segment(marker, body))


def _start_scan(body: bytes, reading: _Reading) -> None:
    """Notes which bits of which coefficients the scan sends (T.81, B.2.3 and G.1.1)."""
    if not body or len(body) != 4 + 2 * body[0]:
        raise damaged()
    reading.scans += 1
    if reading.scans > MAX_SCANS:
        raise InvalidImage("too-complex", f"the picture has more than {MAX_SCANS} scans; save it again as a JPEG")
    components = body[1 : 1 + 2 * body[0] : 2]
    first, last, low_bit = (body[-3], body[-2], body[-1] & 15) if reading.is_progressive else (0, 63, 0)
    if first > last or last >= _COEFFICIENTS:
        raise damaged()
    for component in components:
        if component not in reading.unsent_bits:
            raise damaged()
        unsent = reading.unsent_bits[component]
        unsent[first : last + 1] = [min(each, low_bit) for each in unsent[first : last + 1]]
    # Some cameras write other values into a sequential scan, where they mean nothing; libjpeg warns of them.
    reading.kept.append(_segment(_SOS, body if reading.is_progressive else body[:-3] + b"\x00\x3f\x00"))


def _check_whole(reading: _Reading) -> None:
    """Whether each coefficient has been sent. Whether each row is there, only the decoder can tell."""
    if not reading.unsent_bits or any(max(unsent) > 0 for unsent in reading.unsent_bits.values()):
        raise truncated()


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body
