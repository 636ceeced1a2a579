"""`darkroom doctor`: looks at every store of every region, at every origin and edge, and says what to do.

All are looked at at once, each in a thread of its own, until a deadline: what has not answered by then is a finding
too. Opening a store does what it does for any process: an embedded one makes its file, Cassandra's tables are made.
"""

import logging
import os
import queue
import threading
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from rich.console import Console
from rich.table import Table
from rich.text import Text
from urllib3.exceptions import HTTPError

from darkroom import terminal
from darkroom.local.addresses import TOPOLOGY
from darkroom.operate import diagnosis
from regions import config
from regions.clock import now_ms
from regions.config import Config
from regions.errors import Problem, TopologyError
from regions.process_number import POOL
from regions.stores.catalog import Catalog
from regions.stores.events import Events
from regions.stores.health import CheckResult, HealthCheck, Level, http_clock, run_checks
from regions.stores.settings import POLICY, Settings

log = logging.getLogger(__name__)

WITHIN_S = 60.0
EDGES, ALL = "edges", "all regions"
_TIMEOUT = urllib3.Timeout(connect=3, read=5)
_OUTBOX_LIMIT = 1000
_MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.FAILURE: ("✗", "bold red")}

_OPEN = "Mend the topology's URL, or put the secret into its folder (DARKROOM_SECRETS); is the server up?"
_INSTALL = "Install the clients of the real servers: `pip install 'darkroom[servers]'`."
_START = "Start it, and see that this machine gets through to the topology's URL."
_LATE = "See whether it is overloaded, or a firewall drops what is sent there."
_OURS = "This is a defect of ours: report it, with the log above."
_READ = "See what the other findings of this store say."


@dataclass(frozen=True, slots=True)
class ReportRow:
    """`subject` is a port of the region `place` or its `origin`; or, of the place `EDGES`, an edge."""

    place: str
    subject: str
    finding: CheckResult


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one look gave; the settings' look brings the text of the region's policy."""

    findings: list[CheckResult]
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class StoreProbe:
    place: str
    subject: str
    see: Callable[[], ProbeResult]


def command(options: Namespace) -> int:
    """Runs `darkroom doctor`."""
    return main(options.topology or options.data / TOPOLOGY)


def main(topology: Path) -> int:
    """Prints a table for each region, and what to do; the exit code is 1 where something fails."""
    loaded, console = config.load(topology, os.environ), Console()
    with console.status("Every store, origin and edge is run_checks"):
        rows = check_system(loaded, WITHIN_S)
    for place in dict.fromkeys(row.place for row in rows):
        show(console, place, [row for row in rows if row.place == place])
    levels = [row.finding.level for row in rows]
    failures, warnings = levels.count(Level.FAILURE), levels.count(Level.WARNING)
    mark, style = _MARKS[Level.FAILURE if failures else Level.WARNING if warnings else Level.OK]
    console.print(Text.assemble((mark, style), f" {len(rows)} checks: {failures} failures, {warnings} warnings."))
    return diagnosis.exit_code(row.finding for row in rows)


def show(console: Console, place: str, rows: Sequence[ReportRow]) -> None:
    table = Table("", "", "", title=terminal.text(place), title_justify="left", show_header=False)
    for level, subject, said in lines(rows):
        mark, style = _MARKS[level]
        table.add_row(Text(mark, style), terminal.text(subject), terminal.text(said))
    console.print(table)
    advice: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.finding.advice:
            advice[row.finding.advice].append(f"{row.subject}: {row.finding.what}")
    for what_to_do, findings in advice.items():
        console.print(Text.assemble(("→ ", "cyan"), (", ".join(findings), "bold"), f" — {terminal.plain(what_to_do)}"))


def lines(rows: Sequence[ReportRow]) -> list[tuple[Level, str, str]]:
    """Of each subject one line for all that is well with it, and one for each thing that is not. Pure."""
    shown = []
    for subject in dict.fromkeys(row.subject for row in rows):
        findings = [row.finding for row in rows if row.subject == subject]
        said = {finding: f"{finding.what}: {finding.detail}" for finding in findings}
        if well := [said[finding] for finding in findings if finding.level is Level.OK]:
            shown.append((Level.OK, subject, " · ".join(well)))
        shown += [(one.level, subject, said[one]) for one in findings if one.level is not Level.OK]
    return shown


def check_system(loaded: Config, within_s: float) -> list[ReportRow]:
    """Every finding of every place, in the topology's order."""
    looks = looks_of(loaded)
    seen = _all_at_once(looks, within_s)
    late = ProbeResult([CheckResult("answer", Level.FAILURE, f"none within {within_s:g} s", _LATE)])
    rows = [
        ReportRow(look.place, look.subject, finding)
        for number, look in enumerate(looks)
        for finding in seen.get(number, late).findings
    ]
    policies = {looks[number].place: one.policy for number, one in sorted(seen.items()) if one.policy is not None}
    return [*rows, ReportRow(ALL, "settings", diagnosis.evaluate_same(policies))]


def looks_of(loaded: Config) -> list[StoreProbe]:
    topology = loaded.topology
    looks = []
    for region in topology.regions.values():
        for port, more in _MORE.items():
            looks.append(StoreProbe(region.name, port, partial(_see_store, loaded, region.name, port, more)))
        looks.append(StoreProbe(region.name, "origin", partial(_see_server, region.origin, {"region": region.name})))
    for edge in topology.edges.values():
        looks.append(StoreProbe(EDGES, edge.name, partial(_see_server, edge.url, {"edge": edge.name})))
    return looks


def _all_at_once(looks: list[StoreProbe], within_s: float) -> dict[int, ProbeResult]:
    """By number, those that were done in time. A thread that still waits then does not keep the process from ending."""
    done: queue.SimpleQueue[tuple[int, ProbeResult]] = queue.SimpleQueue()
    for number, look in enumerate(looks):
        threading.Thread(target=_report, args=(number, look, done), daemon=True).start()
    deadline_s = time.monotonic() + within_s
    seen: dict[int, ProbeResult] = {}
    with suppress(queue.Empty):
        while len(seen) < len(looks):
            number, one = done.get(timeout=max(0.0, deadline_s - time.monotonic()))
            seen[number] = one
    return seen


def _report(number: int, look: StoreProbe, done: queue.SimpleQueue[tuple[int, ProbeResult]]) -> None:
    try:
        seen = look.see()
    except Exception as error:
        # The last line of defence: one store must not keep the others from being run_checks.
        log.error("the examination failed", exc_info=error, extra={"place": look.place, "subject": look.subject})
        seen = ProbeResult([CheckResult("examination", Level.FAILURE, f"broke off: {type(error).__name__}", _OURS)])
    done.put((number, seen))


def _see_store(loaded: Config, region: str, port: str, more: Callable[[Any, Config, str], ProbeResult]) -> ProbeResult:
    try:
        store: Any = _OPEN_PORT[port](loaded, region)
    except Problem as error:
        return ProbeResult([CheckResult("opened", Level.FAILURE, error.detail, _OPEN)])
    except ImportError as error:
        return ProbeResult(
            [CheckResult("opened", Level.FAILURE, f"its client is not installed: {error.name}", _INSTALL)]
        )
    except (TopologyError, ValueError) as error:
        return ProbeResult([CheckResult("opened", Level.FAILURE, str(error), _OPEN)])
    try:
        findings = store.check_health()
        also = more(store, loaded, region) if findings[0].level is not Level.FAILURE else ProbeResult([])
        return replace(also, findings=[*findings, *also.findings])
    finally:
        if port != "objects":
            store.close()


def _see_catalog(catalog: Catalog, loaded: Config, region: str) -> ProbeResult:
    def outbox() -> CheckResult:
        return diagnosis.evaluate_outbox(catalog.outbox.pending(_OUTBOX_LIMIT), _OUTBOX_LIMIT, now_ms())

    return ProbeResult(run_checks([HealthCheck("outbox", outbox, _READ)]))


def _see_events(events: Events, loaded: Config, region: str) -> ProbeResult:
    def lag() -> list[CheckResult]:
        readers = diagnosis.readers(region, loaded.topology)
        return diagnosis.evaluate_lag({reader: sum(events.lag(*reader).values()) for reader in readers})

    return ProbeResult(run_checks([HealthCheck("lag", lag, _READ)]))


def _see_settings(settings: Settings, loaded: Config, region: str) -> ProbeResult:
    texts: list[str] = []

    def policy() -> CheckResult:
        found = settings.values.read(POLICY)
        texts.extend([found.value] if found else [])
        return diagnosis.evaluate_policy(found.value if found else None, loaded.topology)

    findings = run_checks(
        [
            HealthCheck("process numbers", lambda: diagnosis.evaluate_numbers(settings.numbers.taken(POOL)), _READ),
            HealthCheck("policy", policy, _READ),
        ]
    )
    return ProbeResult(findings, texts[0] if texts else None)


def _nothing_more(store: object, loaded: Config, region: str) -> ProbeResult:
    return ProbeResult([])


_OPEN_PORT: Mapping[str, Callable[[Config, str], Any]] = {
    "objects": config.open_objects,
    "catalog": config.open_catalog,
    "feeds": config.open_feeds,
    "events": config.open_events,
    "settings": config.open_settings,
}
_MORE: Mapping[str, Callable[[Any, Config, str], ProbeResult]] = {
    "objects": _nothing_more,
    "catalog": _see_catalog,
    "feeds": _nothing_more,
    "events": _see_events,
    "settings": _see_settings,
}


def _see_server(url: str, what: Mapping[str, str]) -> ProbeResult:
    with urllib3.PoolManager(timeout=_TIMEOUT, retries=False) as http:
        sent_s = time.time()
        try:
            answer = http.request("GET", f"{url}/health")
        except HTTPError as error:
            return ProbeResult(
                [CheckResult("health", Level.FAILURE, f"does not answer: {type(error).__name__}", _START)]
            )
        clock = http_clock(answer.headers.get("Date", ""), sent_s, time.time())
    return ProbeResult([diagnosis.evaluate_health(what, answer.status, answer.data), clock])
