"""`darkroom doctor`: checks every store of every region, every origin and every edge, and explains how to fix problems.

All probes run in parallel, until a deadline. A probe that has not finished by then is reported as a failure. Nothing
that is written lasts: a store that does not exist is reported, not created.
"""

import logging
import os
import re
import shlex
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from rich.console import Console
from rich.table import Table
from rich.text import Text
from urllib3.exceptions import HTTPError

from darkroom import terminal
from darkroom.local.addresses import TOPOLOGY
from darkroom.operate import diagnosis
from darkroom.operate.in_parallel import answers
from darkroom.operate.lanes import lane_settings
from darkroom.operate.statement_files import statement_in
from regions import config, janitor_status, processing_status
from regions.clock import now_ms
from regions.config import Config
from regions.errors import ClientMissing, NotFound, Problem, StatementError, StoreMissing, TopologyError, WrongStore
from regions.events import gap_records
from regions.preparation import unrecorded
from regions.process_number import POOL
from regions.stores.catalog import Catalog
from regions.stores.events import Events
from regions.stores.health import CheckResult, HealthCheck, Level, http_clock, run_checks
from regions.stores.settings import Settings
from replication import lane_status

log = logging.getLogger(__name__)

WITHIN_S = 60.0
EDGES, ALL = "edges", "all regions"
_TIMEOUT = urllib3.Timeout(connect=3, read=5)
_OUTBOX_LIMIT = 1000
_MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.FAILURE: ("✗", "bold red")}

_OPEN = "Correct the topology's URL, or put the secret into the secrets folder (DARKROOM_SECRETS). Is the server up?"
_START = "Start it, and make sure that this machine can reach the topology's URL."
_LATE = "Check whether it is overloaded, or whether a firewall drops the requests."
_OURS = "This is a defect of Darkroom: report it together with the log above."
_RECORD = (
    "Put back the store that `stores/PORT` records. If the one there is right, add `--replace REGION/PORT` to"
    " `darkroom prepare`, which then records it."
)
_COMMAND = re.compile(r"`(?P<command>darkroom (?P<name>\w+)[^`]*)`")
_READ = "See the other results of this store."


@dataclass(frozen=True, slots=True)
class ReportRow:
    """The result of one check. `subject` is a port of the region `place`, or its `origin`; for `EDGES`, an edge."""

    place: str
    subject: str
    result: CheckResult


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The results of one probe. The probe of the settings adds the hash of the region's statement."""

    results: list[CheckResult]
    statement: str | None = None


@dataclass(frozen=True, slots=True)
class StoreProbe:
    """One store or server to check."""

    place: str
    subject: str
    run: Callable[[], ProbeResult]


def command(options: Namespace) -> int:
    """Runs `darkroom doctor`: prints a table for each region, then advice. The exit code is 1 if a check failed."""
    topology = options.topology or options.data / TOPOLOGY
    loaded, console = config.load(topology, os.environ), Console()
    with console.status("Checking every store, origin and edge …"):
        rows = [_with_options(row, options.data, topology) for row in check_system(loaded, WITHIN_S)]
    for place in dict.fromkeys(row.place for row in rows):
        show(console, place, [row for row in rows if row.place == place])
    levels = [row.result.level for row in rows]
    failures, warnings = levels.count(Level.FAILURE), levels.count(Level.WARNING)
    mark, style = _MARKS[Level.FAILURE if failures else Level.WARNING if warnings else Level.OK]
    console.print(Text.assemble((mark, style), f" {len(rows)} checks: {failures} failures, {warnings} warnings."))
    return diagnosis.exit_code(row.result for row in rows)


def _with_options(row: ReportRow, data: Path, topology: Path) -> ReportRow:
    return replace(row, result=replace(row.result, advice=pasteable(row.result.advice, data, topology)))


def pasteable(advice: str, data: Path, topology: Path) -> str:
    """The advice with each command of ours as it is to be typed for this system. Pure."""

    def with_options(found: re.Match[str]) -> str:
        options = ["--topology", str(topology)]
        if found["name"] != "run":
            # There an operator's key is.
            options = ["--data", str(data), *options]
        return f"`{found['command']} {shlex.join(options)}`"

    return _COMMAND.sub(with_options, advice)


def show(console: Console, place: str, rows: Sequence[ReportRow]) -> None:
    table = Table("", "", "", title=terminal.text(place), title_justify="left", show_header=False)
    for level, subject, description in lines(rows):
        mark, style = _MARKS[level]
        table.add_row(Text(mark, style), terminal.text(subject), terminal.text(description))
    console.print(table)
    problems: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.result.advice:
            problems[row.result.advice].append(f"{row.subject}: {row.result.what}")
    for advice, checks in problems.items():
        console.print(Text.assemble(("→ ", "cyan"), (", ".join(checks), "bold"), f" — {terminal.plain(advice)}"))


def lines(rows: Sequence[ReportRow]) -> list[tuple[Level, str, str]]:
    """For each subject, one line for all that is well, and one line for each problem. Pure."""
    shown = []
    for subject in dict.fromkeys(row.subject for row in rows):
        results = [row.result for row in rows if row.subject == subject]
        if well := [f"{one.what}: {one.detail}" for one in results if one.level is Level.OK]:
            shown.append((Level.OK, subject, " · ".join(well)))
        shown += [(one.level, subject, f"{one.what}: {one.detail}") for one in results if one.level is not Level.OK]
    return shown


def check_system(loaded: Config, within_s: float) -> list[ReportRow]:
    """The results of every probe, in the topology's order, and whether the regions' statements are the same."""
    probes = probes_of(loaded)
    ended = answers({number: probe.run for number, probe in enumerate(probes)}, within_s)
    results = [_result(probe, ended.get(number), within_s) for number, probe in enumerate(probes)]
    rows = [
        ReportRow(probe.place, probe.subject, check)
        for probe, result in zip(probes, results, strict=True)
        for check in result.results
    ]
    hashes = {probe.place: one.statement for probe, one in zip(probes, results, strict=True) if one.statement}
    credentials = {region: _credentials(loaded, region) for region in loaded.topology.regions}
    return [
        *rows,
        ReportRow(ALL, "settings", diagnosis.evaluate_same(hashes)),
        ReportRow(ALL, "stores", diagnosis.evaluate_credentials(credentials)),
    ]


def _credentials(loaded: Config, region: str) -> dict[str, object]:
    """What opens the region's stores, by port. What can't be read is a result of that store's own check."""
    is_s3 = urlsplit(loaded.topology.regions[region].objects).scheme == "s3"
    reads: Mapping[str, Callable[[str], object]] = {
        "objects": loaded.s3_keys if is_s3 else loaded.objects_secret,
        "catalog": loaded.catalog_login,
        "feeds": loaded.feeds_password,
        "limits": loaded.limits_password,
        "settings": loaded.settings_token,
    }
    found: dict[str, object] = {}
    for port, read in reads.items():
        with suppress(TopologyError):
            found[port] = read(region)
    return {port: credential for port, credential in found.items() if credential is not None}


def probes_of(loaded: Config) -> list[StoreProbe]:
    topology = loaded.topology
    probes = []
    for region in topology.regions.values():
        for port, extra_checks in _EXTRA_CHECKS.items():
            probes.append(StoreProbe(region.name, port, partial(_probe_store, loaded, region.name, port, extra_checks)))
        probes.append(StoreProbe(region.name, "origin", partial(_probe_server, region.origin, {"region": region.name})))
    for edge in topology.edges.values():
        probes.append(StoreProbe(EDGES, edge.name, partial(_probe_server, edge.url, {"edge": edge.name})))
    return probes


def _result(probe: StoreProbe, answer: ProbeResult | Exception | None, within_s: float) -> ProbeResult:
    if isinstance(answer, Exception):
        # Only a defect gets here. It must not keep the other stores from being checked.
        log.error("the probe failed", exc_info=answer, extra={"place": probe.place, "subject": probe.subject})
        return ProbeResult([CheckResult("probe", Level.FAILURE, f"broke off: {type(answer).__name__}", _OURS)])
    return answer or ProbeResult([CheckResult("answer", Level.FAILURE, f"none within {within_s:g} s", _LATE)])


def _probe_store(
    loaded: Config, region: str, port: str, extra_checks: Callable[[Any, Config, str], ProbeResult]
) -> ProbeResult:
    try:
        store: Any = _OPEN_PORT[port](loaded, region)
    except (StoreMissing, WrongStore) as error:
        return _failed_to_open(error.detail, error.advice)
    except Problem as error:
        return _failed_to_open(error.detail, _OPEN)
    except ClientMissing as error:
        return _failed_to_open(str(error), ClientMissing.advice)
    except (TopologyError, ValueError) as error:
        return _failed_to_open(str(error), _OPEN)
    try:
        results = store.check_health()
        if results[0].level is Level.FAILURE:
            return ProbeResult(results)
        extra = extra_checks(store, loaded, region)
        return replace(extra, results=[*results, *extra.results])
    finally:
        if port != "objects":
            store.close()


def _failed_to_open(detail: str, advice: str) -> ProbeResult:
    return ProbeResult([CheckResult("opened", Level.FAILURE, detail, advice)])


def _check_catalog(catalog: Catalog, loaded: Config, region: str) -> ProbeResult:
    def outbox() -> CheckResult:
        return diagnosis.evaluate_outbox(catalog.outbox.pending(_OUTBOX_LIMIT), _OUTBOX_LIMIT, now_ms())

    return ProbeResult(run_checks([HealthCheck("outbox", outbox, _READ)]))


def _check_events(events: Events, loaded: Config, region: str) -> ProbeResult:
    def lag() -> list[CheckResult]:
        readers = diagnosis.readers(region, loaded.topology)
        return diagnosis.evaluate_lag({reader: sum(events.lag(*reader).values()) for reader in readers})

    return ProbeResult(run_checks([HealthCheck("lag", lag, _READ)]))


def _check_settings(settings: Settings, loaded: Config, region: str) -> ProbeResult:
    hashes: list[str] = []

    def processing() -> CheckResult:
        processors = processing_status.present(settings.values.tree(processing_status.PREFIX), now_ms())
        return diagnosis.evaluate_processing(region, processors)

    def gaps() -> CheckResult:
        return diagnosis.evaluate_gaps(gap_records.recorded(settings.values.tree(gap_records.PREFIX)))

    def janitors() -> CheckResult:
        present = janitor_status.count_present(settings.values.tree(janitor_status.PREFIX), now_ms())
        return diagnosis.evaluate_janitors(region, present)

    def lanes() -> CheckResult:
        return diagnosis.evaluate_lanes(region, lane_settings(settings.values))

    def replicators() -> CheckResult:
        at_ms = now_ms()
        reporting = lane_status.present(settings.values.tree(lane_status.PREFIX), at_ms)
        others = [name for name in loaded.topology.regions if name != region]
        behind_s = {
            name: lane_status.behind_s(reporting[name], at_ms) if name in reporting else None for name in others
        }
        return diagnosis.evaluate_replicators(region, behind_s)

    def statement() -> CheckResult:
        try:
            found = statement_in(loaded, settings.values)
        except (StatementError, NotFound) as error:
            return diagnosis.evaluate_statement(error, loaded.topology, loaded.signers())
        hashes.extend([found.hash] if found else [])
        return diagnosis.evaluate_statement(found, loaded.topology, loaded.signers())

    def stores() -> str | CheckResult:
        different = unrecorded(loaded, region, settings.values)
        if not different:
            return "those that the settings record"
        detail = f"not those that the settings record: {', '.join(different)}"
        return CheckResult("stores", Level.FAILURE, detail, _RECORD)

    results = run_checks(
        [
            HealthCheck("stores", stores, _READ),
            HealthCheck("processing", processing, _READ),
            HealthCheck("janitors", janitors, _READ),
            HealthCheck("gaps", gaps, _READ),
            HealthCheck("lanes", lanes, _READ),
            HealthCheck("replicators", replicators, _READ),
            HealthCheck("process numbers", lambda: diagnosis.evaluate_numbers(settings.numbers.taken(POOL)), _READ),
            HealthCheck("statement", statement, _READ),
        ]
    )
    return ProbeResult(results, hashes[0] if hashes else None)


def _no_extra_checks(store: object, loaded: Config, region: str) -> ProbeResult:
    return ProbeResult([])


_OPEN_PORT: Mapping[str, Callable[[Config, str], Any]] = {
    "objects": config.open_objects,
    "catalog": config.open_catalog,
    "feeds": config.open_feeds,
    "limits": config.open_limits,
    "events": config.open_events,
    "settings": config.open_settings,
}
_EXTRA_CHECKS: Mapping[str, Callable[[Any, Config, str], ProbeResult]] = {
    "objects": _no_extra_checks,
    "catalog": _check_catalog,
    "feeds": _no_extra_checks,
    "limits": _no_extra_checks,
    "events": _check_events,
    "settings": _check_settings,
}


def _probe_server(url: str, identity: Mapping[str, str]) -> ProbeResult:
    with urllib3.PoolManager(timeout=_TIMEOUT, retries=False) as http:
        sent_s = time.time()
        try:
            response = http.request("GET", f"{url}/health")
        except HTTPError as error:
            return ProbeResult(
                [CheckResult("health", Level.FAILURE, f"does not answer: {type(error).__name__}", _START)]
            )
        clock = http_clock(response.headers.get("Date", ""), sent_s, time.time())
    return ProbeResult([diagnosis.evaluate_health(identity, response.status, response.data), clock])
