"""What a command has done so far, so that the same command, given again, continues instead of repeating.

One small file for each command line that has not finished, readable by its owner alone. It is written before the first
request that makes something, and removed when all is done. However the command ends in between, the next one finds it,
for a week.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from darkroom.local.private_files import write_private

_KEEP_S = 7 * 24 * 3600


class _CommandFile:
    """Texts by name, of one command line."""

    def __init__(self, folder: Path, command: object) -> None:
        self._path = folder / f"{hashlib.sha256(json.dumps(command).encode()).hexdigest()[:32]}.json"

    def read(self) -> dict[str, str]:
        """Empty if there is no such file, or it is too old."""
        try:
            if time.time() - self._path.stat().st_mtime > _KEEP_S:
                self.remove()
                return {}
            value = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}

    def write(self, texts: dict[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_private(self._path, json.dumps(texts).encode())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


class UnfinishedUploads:
    """The uploads of one user by one command line: these paths with this caption.

    For each photo file its upload, by the SHA-256 of its content. A photo that has failed or was rejected is forgotten:
    given again, it is a new one.
    """

    def __init__(self, data: Path, user_id: str, paths: Sequence[Path], caption: str | None) -> None:
        self._file = _CommandFile(data / "uploads", [user_id, [str(path.absolute()) for path in paths], caption])
        self._upload_ids = self._file.read()

    def find(self, sha256: str) -> str | None:
        """The id of the upload that an earlier command has begun for a file with this content."""
        return self._upload_ids.get(sha256)

    def remember(self, sha256: str, upload_id: str) -> None:
        self._upload_ids[sha256] = upload_id
        self._file.write(self._upload_ids)

    def forget(self, sha256: str) -> None:
        if self._upload_ids.pop(sha256, None) is not None:
            self._file.write(self._upload_ids)

    def finish(self) -> None:
        """Forgets all: the same command would now upload the files as new photos."""
        self._file.remove()


class UnfinishedSignUp:
    """A sign-up that got no answer yet: the account may be there already. `who` is all that says whose it is.

    `handle` was sent last, "" if none was; `passphrase` is one that was made for the user, else "": one that somebody
    has typed is not kept.
    """

    def __init__(self, data: Path, who: Sequence[str | None]) -> None:
        self._file = _CommandFile(data / "sign-ups", list(who))
        kept = self._file.read()
        self.handle, self.passphrase = kept.get("handle", ""), kept.get("passphrase", "")

    def remember(self, handle: str, made_passphrase: str) -> None:
        """Before it is sent."""
        self._file.write({"handle": handle, "passphrase": made_passphrase})

    def finish(self) -> None:
        """The same command would now sign up another user."""
        self._file.remove()
