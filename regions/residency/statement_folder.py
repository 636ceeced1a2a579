"""The statements that a node knows, on its own disk: a restart forgets none, whatever its region's settings say then.

Several processes of a node may share the folder, and learn from it what one of them has heard. Each statement is a file
that is written once. Beside them are two notes: which one is in force, which only shortens the wait after a restart (a
note that is lost or old makes the rules stricter), and which one the region has confirmed last.
"""

import json
import logging
import os
import re
import secrets
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path

from regions.errors import StatementError
from regions.residency import signatures
from regions.residency.statement import Statement

log = logging.getLogger(__name__)

_IN_FORCE, _CONFIRMED = "in_force", "confirmed"
_NAME = re.compile("([0-9]{13})-([0-9a-f]{64})[.]json")
_MAX_BYTES = 4 * signatures.MAX_CHARS


class StatementFolder:
    """`folder` is made when the first is kept. Whatever writes raises OSError when the disk does not take it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unusable: set[str] = set()

    def keep(self, statement: Statement) -> None:
        """On disk when this returns."""
        path = self._path(statement)
        if not path.exists() or self._read(path) is None:
            self._write(path, statement.signed)

    def has(self, statement: Statement) -> bool:
        """Whether its file is there."""
        return self._path(statement).exists()

    def drop_before(self, serial: int) -> None:
        for path, (kept, _) in self._kept().items():
            if kept < serial:
                path.unlink(missing_ok=True)

    def statements(self, known: Container[str] = ()) -> list[Statement]:
        """All that are kept, by serial, without those whose hashes are known.

        A file that can't be read, or is not what its name says, is left out.
        """
        found = [self._read(path) for path, (_, hash) in sorted(self._kept().items()) if hash not in known]
        return [one for one in found if one is not None]

    def note_in_force(self, by_home: Mapping[str, str]) -> None:
        """Another process may have noted a newer one for a home already; then that stays."""
        serials = {hash: serial for serial, hash in self._kept().values()}
        noted = self.in_force()
        newer = {
            home: one for home, one in noted.items() if serials.get(one, 0) > serials.get(by_home.get(home, ""), 0)
        }
        self._write(self._folder / _IN_FORCE, json.dumps({**noted, **by_home, **newer}))

    def note_confirmed(self, statement: Statement) -> None:
        self._write(self._folder / _CONFIRMED, statement.hash)

    def confirmed(self) -> str:
        """The hash of the statement that the region confirmed last, or ""."""
        with suppress(OSError, ValueError):
            return (self._folder / _CONFIRMED).read_text()
        return ""

    def in_force(self) -> dict[str, str]:
        """The hash of the statement in force, by region."""
        with suppress(OSError, ValueError, RecursionError):
            noted = json.loads((self._folder / _IN_FORCE).read_text())
            if isinstance(noted, dict):
                return {str(home): str(hash) for home, hash in noted.items()}
        return {}

    def _kept(self) -> dict[Path, tuple[int, str]]:
        """Serial and hash by file, as the names say; what has another name is not ours."""
        names = ((path, _NAME.fullmatch(path.name)) for path in self._folder.glob("*-*.json"))
        return {path: (int(name[1]), name[2]) for path, name in names if name and not path.is_dir()}

    def _read(self, path: Path) -> Statement | None:
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise StatementError("it is too large")
            one = signatures.read_kept(path.read_text())
            if path != self._path(one):
                raise StatementError("it is not what its name says")
            return one
        except (OSError, UnicodeDecodeError, StatementError) as error:
            if path.name not in self._unusable:
                log.error("a kept statement can't be used", extra={"file": path.name, "error": str(error)})
                self._unusable.add(path.name)
            return None

    def _path(self, statement: Statement) -> Path:
        return self._folder / f"{statement.serial:013d}-{statement.hash}.json"

    def _write(self, path: Path, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with fresh.open("x") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
