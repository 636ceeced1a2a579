"""The web page's HTML as an edge serves it: with the limits of uploads filled in."""

import importlib.resources
from html.parser import HTMLParser

import pytest

from edge.page_limits import fill_in
from regions.image_limits import CONTENT_TYPES, MAX_RAW_BYTES

WEB = importlib.resources.files("darkroom").joinpath("web")


def attributes_of_body(html: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            if tag == "body":
                found.update(attributes)

    Parser().feed(html)
    return found


def test_the_page_has_the_limits_of_uploads():
    """They are those that the origin and the processor check."""
    html = fill_in(".html", WEB.joinpath("index.html").read_bytes()).decode()
    attributes = attributes_of_body(html)
    assert attributes["data-content-types"].split(" ") == list(CONTENT_TYPES)
    assert int(attributes["data-max-raw-bytes"]) == MAX_RAW_BYTES
    assert "{{" not in html


@pytest.mark.parametrize("suffix", [".js", ".css", ".png"])
def test_only_html_is_filled_in(suffix):
    """Other files are served as they are."""
    assert fill_in(suffix, b"{{max_raw_bytes}}") == b"{{max_raw_bytes}}"
