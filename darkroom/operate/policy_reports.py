"""`darkroom policy show | status | history | explain`: which statement is in force, and what it says."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.local import compliance
from darkroom.local.addresses import TOPOLOGY
from darkroom.operate import one_region, statement_files
from darkroom.operate.photo_ids import home_of_photo
from regions import config
from regions.clock import now_ms, now_s
from regions.config import Config
from regions.errors import Problem
from regions.node_tokens import NodeSigner
from regions.region_client import RegionClient
from regions.residency import signatures
from regions.residency.decide import subject_of
from regions.residency.exchange import Report
from regions.residency.peers import StatementClient
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.residency.statement import Purpose, Statement

_HASH_CHARS = 12
_MIN_HASH_CHARS = 8


def load(options: Namespace) -> Config:
    return config.load(options.topology or options.data / TOPOLOGY, os.environ)


def show(options: Namespace) -> int:
    """Prints a statement: its policy, or with --json all of it."""
    loaded = load(options)
    region, statement = one_region.named_or_first(loaded, options), compliance.statement_of(loaded)
    if options.statement is not None:
        statement = the_named(history_of(loaded, region), options.statement)
    sys.stdout.write(statement.text if options.json else statement.policy_text)
    return 0


def history(options: Namespace) -> int:
    """Every statement that a region keeps."""
    shown = Table("serial", "hash", "signed by", "because", box=None)
    loaded = load(options)
    for statement in history_of(loaded, one_region.named_or_first(loaded, options)):
        by = ", ".join(signatures.unpack(statement.signed)[1])
        shown.add_row(
            str(statement.serial), statement.hash[:_HASH_CHARS], terminal.text(by), terminal.text(statement.because)
        )
    Console().print(shown)
    return 0


def status(options: Namespace) -> int:
    """Which statement each region holds, which is in force there, and for how long its lease lasts.

    The exit code is 1 if they differ, or a region does not answer.
    """
    loaded = load(options)
    reports = {region: _report(loaded, region) for region in loaded.topology.regions}
    newest = max((one.serial for one in reports.values() if isinstance(one, Report)), default=0)
    settled = all(
        isinstance(one, Report) and one.serial == newest and one.in_force == one.hash for one in reports.values()
    )
    if options.json:
        answers = {name: asdict(one) if isinstance(one, Report) else {"error": one} for name, one in reports.items()}
        sys.stdout.write(json.dumps(answers, indent=1) + "\n")
        return 0 if settled else 1
    shown = Table("region", "holds", "in force", "as of", "lease", box=None)
    for name, one in reports.items():
        shown.add_row(name, *_row(one))
    console = Console()
    console.print(shown)
    if any(isinstance(one, Report) and one.in_force != one.hash for one in reports.values()):
        console.print(
            "What a region holds forbids already. What it allows is allowed when it is in force: one lease after a"
            " majority of the regions has confirmed it."
        )
    if not any(isinstance(one, Report) for one in reports.values()):
        raise CommandError("No region answers.", "Is the system running? Start it with `darkroom up`.")
    return 0 if settled else 1


def explain(options: Namespace) -> int:
    """What may be done with a photo at each place, and the rule that says so."""
    loaded = load(options)
    statement = compliance.statement_of(loaded)
    if options.at is not None and options.at not in statement.places:
        raise CommandError(
            f"The statement lists no place {terminal.plain(options.at)}.", f"It lists {', '.join(statement.places)}.", 2
        )
    home = home_of_photo(loaded.topology, options.photo)
    with closing(config.open_catalog(loaded, home.name)) as catalog:
        photo = catalog.photos.get(options.photo)
    if photo is None:
        raise CommandError(f"There is no photo {terminal.plain(options.photo)}.", "It was deleted, or never existed.")
    subject, rules = subject_of(photo), Rules(statement, (), leased=True, now_ms=now_ms())
    lines = statement.policy_text.splitlines()
    console = Console()
    console.print(
        f"{photo.photo_id} is of the class [bold]{subject.residency_class}[/], at home in {subject.home_region};"
        f" statement {statement.serial}."
    )
    shown = Table("place", "action", "", "rule", "its reason", box=None)
    for place in [options.at] if options.at else statement.places:
        for action in Action:
            made = rules.decide(subject, action, place)
            mark = "[green]allow[/]" if made.allowed else "[bold red]deny[/]"
            shown.add_row(place, action, mark, terminal.text(made.rule), terminal.text(made.because))
    console.print(shown)
    if options.at:
        for line in sorted({_line(rules.decide(subject, action, options.at).rule) for action in Action} - {0}):
            console.print(f"{line:>4}  ", terminal.text(lines[line - 1]), highlight=False)
    return 0


def history_of(loaded: Config, region: str) -> list[Statement]:
    """Every statement that the region keeps."""
    with closing(config.open_settings(loaded, region)) as settings:
        return statement_files.history(loaded, settings.values)


def the_named(statements: Sequence[Statement], name: str) -> Statement:
    """By serial, or by the first eight digits of the hash, or more. Raises CommandError."""
    by_serial = [one for one in statements if str(one.serial) == name]
    by_hash = [one for one in statements if len(name) >= _MIN_HASH_CHARS and one.hash.startswith(name)]
    if found := by_serial or by_hash:
        return found[0]
    raise CommandError(f"There was no statement {terminal.plain(name)}.", "See `darkroom policy history`.")


def _report(loaded: Config, region: str) -> Report | str:
    """What the region's origin answers to the region itself, or why there is no answer."""
    signer = NodeSigner(region, loaded.private_keys(region, Purpose.NODE), dict, now_s)
    try:
        return StatementClient(RegionClient(signer)).report(region, loaded.topology.regions[region].origin)
    except Problem as error:
        return error.detail


def _row(report: Report | str) -> list[str]:
    if isinstance(report, str):
        return ["[bold red]✗[/]", report, "", ""]
    in_force = "the same" if report.in_force == report.hash else report.in_force[:_HASH_CHARS] or "none"
    lease = f"{report.lease_left_s:.0f} s left" if report.lease_left_s > 0 else "[bold red]lost[/]"
    return [f"{report.serial} ({report.hash[:_HASH_CHARS]})", in_force, f"{report.age_s:.1f} s ago", lease]


def _line(rule: str) -> int:
    """The line of `policy.yaml:25`; 0 for what is no rule's place."""
    number = rule.rpartition(":")[2]
    return int(number) if number.isdigit() else 0
