"""How far this edge has read each region's tombstones, kept over a restart: a small file for each region.

The files lie in the folder of the disk cache, as `tombstones/{region}.json`. So if the folder is removed, they are
removed too, and the edge reads all tombstones again, as it does when a file can't be read.

A file is replaced as a whole, and only after the copies of all photos that its cursors pass over were removed. Neither
is synced (fsync). A copy that a power failure or a disk error keeps after all is not served: after a restart the edge
has no grant for it, and so asks upstream first, where the photo is gone. Then, or in the first round of `renewal`, the
copy is dropped.
"""

import json
import logging
import os
from functools import partial
from pathlib import Path

from edge.disk import in_thread
from edge.node_client import parse_json
from regions import tombstone_cursors
from regions.errors import BadRequest

log = logging.getLogger(__name__)


class SavedCursors:
    """In the folder of the disk cache. Of each region, one greenlet at a time may write the cursors."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tombstones"

    def read(self, region: str) -> dict[int, int]:
        """No cursors if there is no file, or it can't be read."""
        try:
            return tombstone_cursors.parse(parse_json(self._file(region).read_bytes()))
        except FileNotFoundError:
            return {}
        except (OSError, BadRequest) as error:
            log.warning("unreadable cursors: all tombstones are read", extra={"region": region, "error": str(error)})
            return {}

    def write(self, region: str, cursors: dict[int, int]) -> None:
        """Best effort: after a disk error, which is logged, a restart reads some tombstones again."""
        try:
            in_thread(partial(_replace, self._file(region), json.dumps(tombstone_cursors.to_document(cursors))))
        except OSError as error:
            log.error("cursors can't be saved", extra={"region": region, "error": str(error)})

    def _file(self, region: str) -> Path:
        return self._folder / f"{region}.json"


def _replace(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    temporary.write_text(text)
    os.replace(temporary, file)
