"""`darkroom known-bad`: replaces the known-bad list of each region, prints it, or says which list each has.

A list is checked before a byte of it is written, since photos wait while a region's list is unreadable. It is written
only in place of the one that was there when the command began, so of two people who do this at once, one hears of it.
"""

import sys
from argparse import Namespace
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.operate import one_region, operators
from darkroom.operate.operators import ActingOperator
from processing import moderation
from processing.moderation import KnownBadError
from regions import config
from regions.config import Config
from regions.errors import Unavailable
from regions.residency.statement import Role
from regions.stores.settings import KNOWN_BAD, MAX_VALUE_BYTES, Setting, Values

_VERSION_CHARS = 12
_SHORTER = (
    "Leave out comments, lines that are there twice, and the `sha256` of each picture that has a `phash`, which "
    "recognises the file itself, too."
)


def command(options: Namespace) -> int:
    """Runs `darkroom known-bad`."""
    if (options.action == "set") != (options.file is not None):
        raise CommandError(
            "`set` takes a file, the others none.",
            "Give `darkroom known-bad set FILE`, or `darkroom known-bad show`.",
            2,
        )
    loaded, regions = one_region.named_or_all(options)
    if options.action == "set":
        text, operator = checked(options.file), operators.require(options, loaded, Role.MODERATOR)
        return write(loaded, regions, text, Console(), operator)
    return get(loaded, regions) if options.action == "get" else show(loaded, regions, Console())


def checked(file: Path) -> str:
    """The text of a list that a region can use. Raises CommandError, OSError."""
    try:
        text = file.read_text("utf-8-sig")
        size_bytes = len(text.encode())
        if size_bytes > MAX_VALUE_BYTES:
            raise CommandError(
                f"{file} has {size_bytes:,} bytes; a list may have {MAX_VALUE_BYTES:,}, which is about 7,000 lines.",
                _SHORTER,
            )
        if not text.strip():
            raise CommandError(f"{file} is empty.", "To take all off the list, give a file with the line `# nothing`.")
        moderation.parse(text)
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} is not text in UTF-8.", "Save it as UTF-8.") from error
    except KnownBadError as error:
        raise CommandError(f"{file}: {error}.", "Correct the line; no region has this list yet.") from error
    return text


def write(loaded: Config, regions: list[str], text: str, console: Console, operator: ActingOperator) -> int:
    """A region that can't be written does not keep the others from it. Raises CommandError."""
    refused = [region for region in regions if not _write(loaded, region, text, console, operator)]
    if refused:
        raise CommandError(
            f"{', '.join(refused)} did not get the list.",
            "See what is there with `darkroom known-bad show`, and give the same command again.",
        )
    return 0


def _write(loaded: Config, region: str, text: str, console: Console, operator: ActingOperator) -> bool:
    try:
        with closing(config.open_settings(loaded, region)) as settings:
            version = moderation.parse(text).version
            about = f"version {version}" if version else "an empty list"
            operator.begins(settings.values, region, "known-bad set", about)
            is_there = replace(settings.values, text)
    except Unavailable as error:
        console.print("[bold red]✗[/]", terminal.text(error.detail))
        return False
    if is_there:
        console.print("[green]✓[/]", terminal.text(region), f"has the list of {_lines(text):,} lines.")
    else:
        console.print("[bold red]✗[/] Somebody else has changed the list of", terminal.text(region), "meanwhile.")
    return is_there


def replace(values: Values, text: str) -> bool:
    """Whether the list is this one now; False if somebody else has written another one. Raises Unavailable."""
    before = values.read(KNOWN_BAD)
    if before is not None and before.value == text:
        return True
    values.write(KNOWN_BAD, text, before.version if before else 0)
    # An answer can be lost after the value was written. What is there counts.
    after = values.read(KNOWN_BAD)
    return after is not None and after.value == text


def get(loaded: Config, regions: list[str]) -> int:
    """Prints the list that all these regions have. Raises CommandError, Unavailable."""
    texts = set()
    for region in regions:
        with closing(config.open_settings(loaded, region)) as settings:
            setting = settings.values.read(KNOWN_BAD)
            texts.add(setting.value if setting else "")
    if len(texts) > 1:
        raise CommandError("The regions have different lists.", "Name one with --region.")
    sys.stdout.write(texts.pop())
    return 0


def show(loaded: Config, regions: list[str], console: Console) -> int:
    """Raises CommandError, when all others are shown, if the list of a region can't be read."""
    shown = Table("region", "lines", "sha256", "phash", "version", box=None)
    problems = []
    for region in regions:
        try:
            with closing(config.open_settings(loaded, region)) as settings:
                shown.add_row(region, *counts(settings.values.read(KNOWN_BAD)))
        except (Unavailable, KnownBadError) as error:
            shown.add_row(region, "?", "?", "?", "?")
            problems.append(f"{region}: {error}")
    console.print(shown)
    if problems:
        raise CommandError(
            f"Photos wait where the list can't be read. {'; '.join(problems)}.",
            "Start a store that is away; correct a line, and write the list with `darkroom known-bad set FILE`.",
        )
    return 0


def counts(setting: Setting | None) -> list[str]:
    """Lines, entries of both kinds, and the version, which equal lists share. Raises KnownBadError."""
    if setting is None:
        return ["0", "0", "0", "no list"]
    known = moderation.parse(setting.value)
    numbers = (_lines(setting.value), len(known.sha256s), len(known.distances_bits))
    return [*(f"{number:,}" for number in numbers), known.version[:_VERSION_CHARS] or "empty"]


def _lines(text: str) -> int:
    return len(text.splitlines())
