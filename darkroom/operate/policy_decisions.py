"""`darkroom policy decisions`: what each region has decided about a photo or a person, by its own audit log.

Both ends of a border decide and log, so what crossed one is in the logs of two regions.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.operate import one_region
from darkroom.operate.in_parallel import found_and_away
from regions import config, ids
from regions.config import Config
from regions.records import AuditEntry, rfc3339
from regions.topology import Topology

WITHIN_S = 8.0
MAX_LIMIT = 1000
_HASH_CHARS = 8
"""As many as `darkroom policy show` needs."""


def command(options: Namespace) -> int:
    """Runs `darkroom policy decisions`. The exit code is 1 if a region did not answer."""
    if not 1 <= options.limit <= MAX_LIMIT:
        raise CommandError("--limit is out of bounds.", f"Give a number from 1 to {MAX_LIMIT}.", 2)
    loaded, regions = one_region.named_or_all(options)
    _require_logged_by(options.about, loaded.topology)
    asked = {region: partial(_latest, loaded, region, options.about, options.limit) for region in regions}
    found, away = found_and_away(asked, WITHIN_S)
    if options.json:
        sys.stdout.write(json.dumps(as_json(found, away), indent=1) + "\n")
    else:
        _show(options.about, found, away, options.limit)
    return 1 if away else 0


def as_json(found: Mapping[str, Sequence[AuditEntry]], away: Mapping[str, str]) -> dict[str, object]:
    """For programs: by time, the oldest first. Pure."""
    entries = [(entry, region) for region, logged in found.items() for entry in logged]
    return {
        "decisions": [
            {
                "at": rfc3339(entry.at_ms),
                "region": region,
                "action": entry.action,
                "place": entry.place,
                "allowed": entry.allowed,
                "rule": entry.rule,
                "statement": entry.policy_version,
            }
            for entry, region in sorted(entries, key=lambda one: one[0].at_ms)
        ],
        "away": dict(away),
    }


def _latest(loaded: Config, region: str, about: str, limit: int) -> list[AuditEntry]:
    with closing(config.open_catalog(loaded, region)) as catalog:
        return catalog.audit.latest(about, limit)


def _require_logged_by(about: str, topology: Topology) -> None:
    """Raises CommandError or NotFound for what no decision can be about."""
    kind, is_class = about[:1], about.partition(" ")[2] in topology.regions
    if kind in (ids.PHOTO, ids.USER) and about[1:2] == "_":
        ids.parse(kind, about)
    elif not is_class:
        raise CommandError(
            f"No decision is logged by {terminal.plain(about)}.",
            "Give the id of a photo (p_…) or of a user (u_…); or, in quotes, a class and a region, such as"
            " 'eu us-central', for people there of whom no more is known here.",
            2,
        )


def _show(about: str, found: Mapping[str, Sequence[AuditEntry]], away: Mapping[str, str], limit: int) -> None:
    console = Console()
    for region, logged in found.items():
        if not logged:
            console.print(f"{region} has logged no decision about", terminal.text(about + "."))
            continue
        console.print(_table(region, logged))
        if len(logged) == limit:
            console.print(f"These are the newest {limit}; --limit shows more.")
    for region, reason in away.items():
        console.print(Text.assemble(("✗ ", "bold red"), f"{region} was not asked: {terminal.plain(reason)}"))


def _table(region: str, logged: Sequence[AuditEntry]) -> Table:
    whole = Column("rule", no_wrap=True)
    shown = Table("when (UTC)", "action", "at", "", whole, "statement", title=region, title_justify="left", box=None,
                  pad_edge=False)  # fmt: skip
    for entry in logged:
        mark = "[green]allow[/]" if entry.allowed else "[bold red]deny[/]"
        when, statement = rfc3339(entry.at_ms)[:19].replace("T", " "), entry.policy_version[:_HASH_CHARS]
        place = terminal.text(entry.place or "unknown")
        shown.add_row(when, entry.action, place, mark, terminal.text(entry.rule), statement)
    return shown
