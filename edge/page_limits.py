"""Fills the limits of uploads into the web page, so that the page can check a file before it uploads it."""

from regions.image_limits import CONTENT_TYPES, MAX_RAW_BYTES

_VALUES = {
    b"{{content_types}}": " ".join(CONTENT_TYPES).encode(),
    b"{{max_raw_bytes}}": str(MAX_RAW_BYTES).encode(),
}


def fill_in(suffix: str, body: bytes) -> bytes:
    """The content of one of the page's files. In HTML, `{{content_types}}` and `{{max_raw_bytes}}` are replaced."""
    if suffix == ".html":
        for name, value in _VALUES.items():
            body = body.replace(name, value)
    return body
