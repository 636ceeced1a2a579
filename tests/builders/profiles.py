"""ICC profiles, written by hand, so that what they say is known from here alone."""

from struct import pack

import numpy as np
from PIL import ImageCms

# The colorants of Display P3 and Adobe RGB, adapted to D50, as Apple and Adobe publish them in their profiles.
_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
_ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def display_p3() -> bytes:
    codes = np.arange(1024) / 1023
    linear = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    return _matrix_profile(_P3, _curve(linear))


def adobe_rgb() -> bytes:
    return _matrix_profile(_ADOBE, b"curv\0\0\0\0" + pack(">IH", 1, round(563 / 256 * 256)))


def grey(gamma: float = 1.8) -> bytes:
    return _profile(b"GRAY", {b"kTRC": b"curv\0\0\0\0" + pack(">IH", 1, round(gamma * 256))})


def pq_bt2020() -> bytes:
    """With the tag `cicp`, as HDR pictures have it."""
    return _matrix_profile(_P3, _curve(np.linspace(0, 1, 16)), {b"cicp": b"cicp\0\0\0\0" + bytes((9, 16, 0, 1))})


def _matrix_profile(
    colorants: tuple[tuple[float, ...], ...], curve: bytes, more: dict[bytes, bytes] | None = None
) -> bytes:
    tags = {name: _xyz(*values) for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)}
    return _profile(b"RGB ", {**tags, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve), **(more or {})})


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """ICC v2, for displays."""
    common = {
        b"desc": b"desc\0\0\0\0" + pack(">I", 5) + b"made\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
    }
    tags = {**common, **tags}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        body += bytes(-len(body) % 4)
        table += tag + pack(">II", start + len(body), len(data))
        body += data
    header = bytes(4) + pack(">I", 0x02400000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    header += _fixed(0.9642) + _fixed(1.0) + _fixed(0.8249)
    whole = header.ljust(124, b"\0") + pack(">I", len(tags)) + table + body
    return pack(">I", len(whole) + 4) + whole


def _curve(linear: np.ndarray) -> bytes:
    return b"curv\0\0\0\0" + pack(">I", len(linear)) + (linear * 65535).round().astype(">u2").tobytes()


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return pack(">i", round(value * 65536))
