"""What a running process has: files that are open, connections, its environment, and what its memory contains."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

_READ_BYTES = 64 << 20
_MAPPED = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw")


class InspectedProcess:
    """The process and all its children, such as Dask's workers."""

    def __init__(self, pid: int) -> None:
        self._all = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]

    def files(self) -> set[Path]:
        """Open ones, and those that are mapped into memory."""
        found = set()
        for process in self._all:
            with suppress(OSError, psutil.NoSuchProcess):
                links = [file.readlink() for file in Path(f"/proc/{process.pid}/fd").iterdir() if file.is_symlink()]
                maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
                found |= {*links, *(Path(line.split(maxsplit=5)[5]) for line in maps if line.count("/"))}
        return {path for path in found if path.is_absolute()}

    def listens_at(self) -> set[int]:
        return {one.laddr.port for one in self._connections() if one.status == psutil.CONN_LISTEN}

    def connected_to(self) -> set[int]:
        """The ports."""
        return {one.raddr.port for one in self._connections() if one.raddr}

    def environment(self) -> bytes:
        """With the command."""
        texts = []
        for process in self._all:
            with suppress(OSError):
                texts += [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
        return b"\0".join(texts)

    def remembered(self, needles: Iterable[bytes]) -> set[bytes]:
        """Those which its memory contains now."""
        wanted, found = set(needles), set[bytes]()
        for process in self._all:
            with suppress(FileNotFoundError, ProcessLookupError):
                for piece in _memory(process.pid):
                    found |= {one for one in wanted - found if one in piece}
        return found

    def _connections(self) -> list[Any]:
        found = []
        for process in self._all:
            with suppress(psutil.NoSuchProcess):
                found += process.net_connections("inet")
        return found


def _memory(pid: int) -> Iterable[bytes]:
    """What it may write to, in pieces; what it frees meanwhile is left out."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if not (found := _MAPPED.match(line)):
                continue
            start, end = int(found[1], 16), int(found[2], 16)
            with suppress(OSError):
                memory.seek(start)
                while start < end and (piece := memory.read(min(_READ_BYTES, end - start))):
                    yield piece
                    start += len(piece)
