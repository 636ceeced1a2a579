"""The names of variants: `640.jpg`, or `640.v2.jpg` for recipe 2, or `640.avif`. Pure.

A name is the last part of an image's URL and of its object's key. What it names never changes: when the photo job
comes to make other bytes, they get names of a new recipe.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from regions.image_limits import AVIF, JPEG, WEBP

CONTENT_TYPES: Mapping[str, str] = {"jpg": JPEG, "avif": AVIF, "webp": WEBP}
"""Each format that a variant may have, and its content type."""

MAX_RECIPE = 9999

_NAME = re.compile(rf"([1-9][0-9]{{0,4}})(?:\.v([2-9]|[1-9][0-9]{{1,3}}))?\.({'|'.join(CONTENT_TYPES)})")


class VariantName(NamedTuple):
    """What a name says. Recipe 1 is not written in it."""

    size: int
    recipe: int
    format: str


def variant_name(size: int, recipe: int, format: str) -> str:
    """`size` is 1 to 99999, `recipe` 1 to MAX_RECIPE, and `format` one of CONTENT_TYPES. `parse` reads no other."""
    return f"{size}.{format}" if recipe == 1 else f"{size}.v{recipe}.{format}"


def parse(name: str) -> VariantName | None:
    """None for a text that `variant_name` does not return, so that nothing has two names."""
    found = _NAME.fullmatch(name)
    return VariantName(int(found[1]), int(found[2] or 1), found[3]) if found else None
