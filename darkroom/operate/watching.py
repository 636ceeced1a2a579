"""A command that shows something again and again, until Ctrl-C: as it changes in a terminal, or a document a line."""

import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live

from darkroom.command_error import CommandError
from regions.errors import Unavailable

Seen = TypeVar("Seen")


def watch(look: Callable[[], Seen], show: Callable[[Seen | str], object], every_s: float) -> NoReturn:
    """Shows what `look` returns; instead of what it can't see now, the reason."""
    while True:
        try:
            seen: Seen | str = look()
        except (CommandError, Unavailable) as error:
            seen = str(error)
        show(seen)
        time.sleep(every_s)


def watch_in_terminal(look: Callable[[], Seen], draw: Callable[[Seen | str], RenderableType], every_s: float) -> None:
    with Live(console=Console(), auto_refresh=False) as live:
        watch(look, lambda seen: live.update(draw(seen), refresh=True), every_s)
