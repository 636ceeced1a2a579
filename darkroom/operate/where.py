"""`darkroom where`: where every byte of a photo and each record of it is stored, and the rule that allows it."""

import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from darkroom import terminal
from darkroom.local.addresses import TOPOLOGY
from darkroom.operate.photo_ids import home_of_photo
from darkroom.operate.photo_walk import PhotoWalk, StoredItem, walk
from darkroom.operate.stored_copy import StoredCopy
from regions import config
from regions.clock import now_ms
from regions.config import Config
from regions.errors import Unavailable
from regions.residency.decide import Subject
from regions.residency.rules import Rules

WITHIN_S = 8.0
"""For all stores and edges together. A driver of a real server needs a second or two to connect."""

_MARKS = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: "[yellow]?[/]"}
_NOT_LOOKED_AT = (
    "Not looked at: feeds and event logs, which have ids and times only; likes and comments, which are of those who"
    " wrote them; backups."
)
_LATER = "no command of this version removes it (docs/durability.md, “What is missing”)"
_FORBIDDEN = (
    "An edge drops what it may cache no more within seconds, so look again. What rests in a region where a later"
    f" statement forbids it stays: {_LATER}, but if its owner deletes the photo, it goes everywhere."
)
_LEFT_OVER = (
    f"Lanes may still be erasing it: look again in ten minutes. If it stays, as after a backup was put back, {_LATER}."
)


@dataclass(frozen=True, slots=True)
class Nobody:
    """Instead of the photo's owner: why nothing of it may be stored, or (None) why nobody can tell."""

    allowed: bool | None
    rule: str


NO_OWNER = Nobody(False, "the photo's record is gone, so nothing of it may be stored anywhere")


@dataclass(frozen=True, slots=True)
class Located:
    """`away` says of each store and edge that could not be asked why: anything may lie there."""

    copies: Sequence[StoredCopy]
    owner: Subject | Nobody
    away: dict[str, str]

    def all_copies(self) -> list[StoredCopy]:
        """Raises Unavailable if anything could not be asked."""
        if self.away:
            raise Unavailable(f"not asked: {', '.join(self.away)}")
        return list(self.copies)


def command(options: Namespace) -> int:
    """Runs `darkroom where`."""
    return main(options.data, options.photo)


def main(data: Path, photo_id: str, within_s: float = WITHIN_S) -> int:
    """Prints the table. The exit code is 1 if something is stored where it may not be, or was not asked."""
    located = locate(config.load(data / TOPOLOGY, os.environ), photo_id, within_s)
    console = Console()
    if located.copies:
        console.print(table(photo_id, located.copies))
    console.print(_summary(located))
    forbidden = [copy for copy in located.copies if copy.allowed is False]
    if forbidden:
        advice = _LEFT_OVER if isinstance(located.owner, Nobody) else _FORBIDDEN
        console.print(Text.assemble(("→ ", "cyan"), advice))
    if located.away:
        console.print("[bold red]✗[/] These did not answer, so nobody knows what lies there:")
        for store, reason in located.away.items():
            console.print(Text("  ") + terminal.text(f"{store}: {reason}"))
        console.print("[cyan]→[/] Give the same command again later; `darkroom doctor` says what is wrong with them.")
    console.print(_NOT_LOOKED_AT, style="dim")
    return 1 if forbidden or located.away else 0


def table(photo_id: str, copies: Sequence[StoredCopy]) -> Table:
    shown = Table("place", "what", "size", "", "rule", title=terminal.text(photo_id), title_justify="left")
    for copy in copies:
        size = "" if copy.size_bytes is None else decimal(copy.size_bytes)
        shown.add_row(copy.place, terminal.text(copy.what), size, _MARKS[copy.allowed], terminal.text(copy.rule))
    return shown


def locate(loaded: Config, photo_id: str, within_s: float = WITHIN_S) -> Located:
    """Raises CommandError or NotFound if the id is not a photo's, TopologyError if a store can't be opened at all."""
    home = home_of_photo(loaded.topology, photo_id)
    walked = walk(loaded, home, photo_id, within_s)
    owner = owner_of(walked, home.name)
    rules = Rules(walked.statement, (), leased=True, now_ms=now_ms())
    return Located([evaluate(rules, owner, item) for item in walked.stored], owner, dict(walked.away))


def owner_of(walked: PhotoWalk, home: str) -> Subject | Nobody:
    """Pure. The home knows, but a tombstone anywhere wins: a home that was restored from a backup may have lost it.

    While the home is away, the class that another region's record names counts.
    """
    if walked.tombstones:
        return Nobody(False, f"it was deleted, says {', '.join(walked.tombstones)}: nothing of it may be stored")
    if home in walked.photos:
        photo = walked.photos[home]
        return Subject(photo.residency_class, home) if photo else NO_OWNER
    classes = {photo.residency_class for photo in walked.photos.values() if photo}
    if len(classes) == 1:
        return Subject(classes.pop(), home)
    return Nobody(None, f"{home} does not say whose photo it is")


def evaluate(rules: Rules, owner: Subject | Nobody, found: StoredItem) -> StoredCopy:
    """Pure."""
    made = owner if isinstance(owner, Nobody) else rules.decide(owner, found.action, found.place.name)
    return StoredCopy(found.place.name, found.what, found.size_bytes, made.allowed, made.rule)


def _summary(located: Located) -> str:
    all_of_it = len(located.copies)
    forbidden = sum(copy.allowed is False for copy in located.copies)
    unknown = sum(copy.allowed is None for copy in located.copies)
    if forbidden:
        return f"{_MARKS[False]} The policy forbids {forbidden} of {all_of_it} stored copies and records."
    if unknown:
        return f"{_MARKS[None]} Nobody can tell at the moment whether these {unknown} copies and records may be there."
    if not all_of_it:
        return "Nothing of it is stored " + ("where that could be asked." if located.away else "anywhere.")
    if located.away:
        return f"The policy allows the {all_of_it} copies and records that were found."
    return f"{_MARKS[True]} The policy allows all {all_of_it} stored copies and records."
