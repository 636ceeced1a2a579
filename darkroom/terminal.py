"""Output in a terminal. Text from users may contain anything, so it is stripped of what could control the terminal."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from darkroom.client.client import Client

_NOT_SHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def plain(written: str) -> str:
    """One line without control or direction characters, which could move the cursor or disguise the text after them."""
    return "".join(" " if unicodedata.category(char) in _NOT_SHOWN else char for char in written)


def text(written: str) -> Text:
    """The same as a rich Text, in which `[markup]` has no effect."""
    return Text(plain(written))


def about(seconds: int) -> str:
    """An estimate in words: `about 20 seconds`."""
    if seconds < 100:
        return f"about {seconds} second{'' if seconds == 1 else 's'}"
    return f"about {round(seconds / 60)} minutes"


def progress_bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def upload_file(
    client: Client,
    bars: Progress,
    path: Path,
    caption: str | None,
    resume_id: str | None = None,
    begun: Callable[[str], None] | None = None,
) -> str:
    """Uploads one file with its own progress bar; returns the photo's id. For the others see `Client.upload`."""
    task = bars.add_task(plain(path.name), total=path.stat().st_size)

    def throttled(seconds: int) -> None:
        bars.console.print(f"Too many uploads at once: going on in {about(seconds)}.")

    return client.upload(path, caption, lambda size_bytes: bars.advance(task, size_bytes), resume_id, begun, throttled)
