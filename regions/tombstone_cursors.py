"""Cursors: how far a reader has read each chain of a region's tombstones. Pure.

In Python they are {chain: position}, in JSON the same with the chains as text: {"0": 15, "3": 7}. They come from other
servers and from files, and are hostile until they are read here.
"""

import re
from collections.abc import Mapping
from typing import Any

from regions.errors import BadRequest

MAX_CHAINS = 1024
MAX_POSITION = 1 << 62
MAX_ITEMS = 1000
"""Of one page of tombstones."""

_CHAIN = re.compile("0|[1-9][0-9]{0,3}")


def parse(document: Any) -> dict[int, int]:
    """Raises BadRequest unless `document` is an object of chains (0 to 1023) and positions (0 to 2^62)."""
    if not isinstance(document, dict) or not all(map(_is_cursor, document, document.values())):
        raise BadRequest(f"cursors must be an object of chains below {MAX_CHAINS} and the position read in each")
    return {int(chain): position for chain, position in document.items()}


def to_document(cursors: Mapping[int, int]) -> dict[str, int]:
    """What `parse` reads."""
    return {str(chain): position for chain, position in sorted(cursors.items())}


def _is_cursor(chain: Any, position: Any) -> bool:
    return (
        isinstance(chain, str)
        and _CHAIN.fullmatch(chain) is not None
        and int(chain) < MAX_CHAINS
        and type(position) is int
        and 0 <= position <= MAX_POSITION
    )
