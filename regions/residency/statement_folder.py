"""The statements that a node knows, on its own disk: a restart forgets none, whatever its region's settings say then.

Several processes of a node may share the folder. Each statement is a file that is written once. What is in force is
noted beside them, and only shortens the wait after a restart: a note that is lost or old makes the rules stricter.
"""

import json
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from regions.errors import StatementError
from regions.residency import signatures
from regions.residency.statement import Statement

log = logging.getLogger(__name__)

_IN_FORCE = "in_force"


class StatementFolder:
    """`folder` is made when the first is kept. Whatever writes raises OSError when the disk does not take it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, statement: Statement) -> None:
        """On disk when this returns."""
        path = self._path(statement)
        if not path.exists():
            self._write(path, statement.signed)

    def drop_before(self, serial: int) -> None:
        for path in self._folder.glob("*.json"):
            if int(path.name.partition("-")[0]) < serial:
                path.unlink(missing_ok=True)

    def statements(self) -> list[Statement]:
        """All that are kept, by serial. A file that can't be read, or is not what its name says, is left out."""
        found = []
        for path in sorted(self._folder.glob("*-*.json")):
            try:
                one = signatures.read_kept(path.read_text())
                if path != self._path(one):
                    raise StatementError("it is not what its name says")
                found.append(one)
            except (OSError, UnicodeDecodeError, StatementError) as error:
                log.error("a kept statement can't be used", extra={"file": path.name, "error": str(error)})
        return found

    def note_in_force(self, by_home: Mapping[str, str]) -> None:
        self._write(self._folder / _IN_FORCE, json.dumps(dict(by_home)))

    def in_force(self) -> dict[str, str]:
        """The hash of the statement in force, by region."""
        with suppress(OSError, ValueError):
            noted = json.loads((self._folder / _IN_FORCE).read_text())
            if isinstance(noted, dict):
                return {str(home): str(hash) for home, hash in noted.items()}
        return {}

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
