"""What an `upload` command has done so far, so that the same command, given again, continues instead of repeating.

One small file for each command line that has not finished: for each photo file its upload, by the SHA-256 of its
content. It is written when an upload has begun, before the first part is sent, and removed when all files of the
command have arrived and are ready. A photo that has failed or was rejected is forgotten: given again, it is a new one.
However the command ends in between, the next one finds it, for a week.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from darkroom.local.private_files import write_private

_FOLDER = "uploads"
_KEEP_S = 7 * 24 * 3600


class UnfinishedUploads:
    """The uploads of one user by one command line: these paths with this caption."""

    def __init__(self, data: Path, user_id: str, paths: Sequence[Path], caption: str | None) -> None:
        command = json.dumps([user_id, [str(path.absolute()) for path in paths], caption])
        self._file = data / _FOLDER / f"{hashlib.sha256(command.encode()).hexdigest()[:32]}.json"
        self._upload_ids = self._read()

    def find(self, sha256: str) -> str | None:
        """The id of the upload that an earlier command has begun for a file with this content."""
        return self._upload_ids.get(sha256)

    def remember(self, sha256: str, upload_id: str) -> None:
        self._upload_ids[sha256] = upload_id
        self._write()

    def forget(self, sha256: str) -> None:
        if self._upload_ids.pop(sha256, None) is not None:
            self._write()

    def finish(self) -> None:
        """Forgets all: the same command would now upload the files as new photos."""
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_private(self._file, json.dumps(self._upload_ids).encode())

    def _read(self) -> dict[str, str]:
        try:
            if time.time() - self._file.stat().st_mtime > _KEEP_S:
                return {}
            value = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return {str(key): str(upload_id) for key, upload_id in value.items()} if isinstance(value, dict) else {}
