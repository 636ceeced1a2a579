"""How things look in a terminal. What people wrote may hold anything; here it loses its power over a terminal."""

import unicodedata
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from darkroom.client.client import Client

_NOT_SHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def plain(written: str) -> str:
    """One line without control or direction characters, which could move the cursor or disguise what follows."""
    return "".join(" " if unicodedata.category(char) in _NOT_SHOWN else char for char in written)


def text(written: str) -> Text:
    """The same for rich, which takes no `[markup]` in it for its own."""
    return Text(plain(written))


def progress_bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def upload_file(client: Client, bars: Progress, path: Path, caption: str | None, resume_id: str | None = None) -> str:
    """Uploads one file with a bar of its own; returns the photo's id."""
    task = bars.add_task(plain(path.name), total=path.stat().st_size)
    return client.upload(path, caption, lambda size_bytes: bars.advance(task, size_bytes), resume_id)
