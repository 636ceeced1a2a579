"""Where a photo's images are, at every edge."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def image_path(photo: Mapping[str, Any], size: int) -> str:
    """The path of a variant: the photo's document names those of the current recipe."""
    return urlsplit(photo["variants"][str(size)]).path
