"""`darkroom policy check` and `darkroom policy test`: what a policy file would do, before anybody signs it.

Neither asks a running system: they compare files. The places come from the topology file that --topology names, from
that of the data folder, or else from the one that comes with Darkroom.
"""

import importlib.resources
import json
import sys
import tomllib
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.local.addresses import TOPOLOGY
from darkroom.operate import policy_expectations
from darkroom.operate.policy_expectations import Comparison
from regions.clock import now_ms
from regions.errors import TopologyError
from regions.residency import checking, parsing
from regions.residency.diagnostics import Diagnostic, Severity, errors_of
from regions.topology import Place

_SHIPPED_PLACES = "one_machine.toml"
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


def check_command(options: Namespace) -> int:
    """Runs `darkroom policy check`. The exit code is 1 if there is an error; warnings do not count."""
    places, source = _places(options)
    text = read_text(options.file)
    diagnostics = checking.check_text(text, str(options.file), places, now_ms())
    errors = errors_of(diagnostics)
    if options.json:
        sys.stdout.write(_as_json(diagnostics, source))
    else:
        console = Console()
        _show(diagnostics, console)
        mark, style = ("✗", "bold red") if errors else ("✓", "green")
        counts = f"{_count(len(errors), 'error')}, {_count(len(diagnostics) - len(errors), 'warning')}"
        summary = f" {counts}; compared with the {len(places)} places of {source}."
        console.print(Text.assemble((mark, style), summary), soft_wrap=True)
    return int(bool(errors))


def test_command(options: Namespace) -> int:
    """Runs `darkroom policy test`. The exit code is 1 if an answer is not the expected one.

    Raises CommandError, PolicyError, TopologyError, OSError.
    """
    places, source = _places(options)
    file = options.policy or options.table.with_name(parsing.FILE)
    policy = parsing.parse(read_text(file), str(file))
    expectations, mistakes = policy_expectations.read(read_text(options.table), str(options.table), places)
    console = Console()
    if mistakes:
        _show(mistakes, console)
        raise CommandError(
            f"{options.table} is not understood, so nothing was tested.",
            f"Correct the lines above; the places are those of {source}, or of the file that --topology names.",
        )
    comparisons = policy_expectations.compare(policy, expectations, now_ms())
    console.print(_table(comparisons))
    return _report(comparisons, console)


def read_text(file: Path) -> str:
    """Raises CommandError, OSError."""
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} is not text in UTF-8.", "Save it as UTF-8.") from error


def read_places(text: str) -> list[Place]:
    """The places of a topology file, which needs no addresses and keys for that. Raises TopologyError."""
    try:
        tables = tomllib.loads(text)
        return [
            Place(name, kind, str(table["jurisdiction"]))
            for kind in ("region", "edge")
            for name, table in tables.get(f"{kind}s", {}).items()
        ]
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError) as error:
        raise TopologyError(
            f"the topology needs tables [regions.NAME] and [edges.NAME], each with a jurisdiction: {error}"
        ) from error


def _places(options: Namespace) -> tuple[list[Place], str]:
    """And the name of the file that they come from."""
    file = options.topology or options.data / TOPOLOGY
    if options.topology is None and not file.exists():
        return read_places(importlib.resources.files("deploy").joinpath(_SHIPPED_PLACES).read_text()), _SHIPPED_PLACES
    return read_places(read_text(file)), str(file)


def _show(diagnostics: Iterable[Diagnostic], console: Console) -> None:
    """As compilers do, so that editors find the line. Long lines are not broken."""
    for each in diagnostics:
        severity = (each.severity.value, _STYLES[each.severity])
        line = Text.assemble(terminal.plain(each.where), ": ", severity, ": ", terminal.plain(each.message))
        console.print(line, soft_wrap=True)


def _as_json(diagnostics: Iterable[Diagnostic], places: str) -> str:
    return json.dumps({"places": places, "diagnostics": [asdict(each) for each in diagnostics]}, indent=2) + "\n"


def _table(comparisons: Sequence[Comparison]) -> Table:
    shown = Table("", "person", "action", "at", "answer", "rule", box=None)
    for comparison in comparisons:
        expectation, decision = comparison.expectation, comparison.decision
        mark = "[green]✓[/]" if comparison.holds else "[bold red]✗[/]"
        rule = terminal.text(decision.rule)
        shown.add_row(
            mark, expectation.country, expectation.action, expectation.place.name, _answer(decision.allowed), rule
        )
    return shown


def _report(comparisons: Sequence[Comparison], console: Console) -> int:
    failed = [comparison for comparison in comparisons if not comparison.holds]
    for comparison in failed:
        expectation, decision = comparison.expectation, comparison.decision
        by = f' by a rule with "{expectation.by}"' if expectation.by else ""
        sentence = (
            f"{expectation.where}: {expectation.country}, {expectation.action} at {expectation.place.name}: expected "
            f"{_answer(expectation.allowed)}{by}, but {decision.rule} answers {_answer(decision.allowed)}: "
            f"{decision.because}"
        )
        console.print(Text.assemble(("✗ ", "bold red"), terminal.plain(sentence)), soft_wrap=True)
    if not failed:
        console.print(f"[green]✓[/] All {len(comparisons)} answers are as expected.")
    return int(bool(failed))


def _answer(allowed: bool) -> str:
    return "allow" if allowed else "deny"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
