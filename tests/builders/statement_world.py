"""Many regions' real exchange of statements in one thread, with time, network, stores and disks that a test commands.

The code under test is that of the processes: `LiveRules`, `SettingsStatement`, `FollowedRules`. Of the world, clocks of
processes start anywhere and run at different rates, and an answer arrives some time after the question, or never.
"""

from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace

from regions.errors import Problem, StatementError, Unavailable
from regions.residency import reports
from regions.residency.chain import Links
from regions.residency.exchange import Report
from regions.residency.live import FollowedRules, LiveRules
from regions.residency.rules import Rules
from regions.residency.settings_statement import SettingsStatement, from_history, store_in_history
from regions.residency.statement import Kind, Statement
from regions.stores.settings import STATEMENT, Setting
from tests.builders.statements import Compliance, place

TICK_S = 0.25
LEASE_S = 10
MAX_DRIFT = 0.02

_POLICY = """
policy: 1
default_class: world
classes:
  eu:
    homes: [{region: r1}]
    rules:
      - {%s: [serve], at: [far], because: "what statements change"}
      - allow: [serve, cache, rest_raw, rest_variants, rest_metadata, rest_account]
        at: [home, "jurisdiction:J1"]
        because: "home"
  world:
    homes: [{region: r1}]
    rules:
      - allow: [serve, cache, rest_raw, rest_variants, rest_metadata, rest_account]
        at: [anywhere]
        because: "no law applies"
"""
DENYING, ALLOWING = _POLICY % "deny", _POLICY % "allow"


class FolderInMemory:
    """The disk of a node, as `StatementFolder` has it."""

    def __init__(self) -> None:
        self._kept: dict[str, Statement] = {}
        self._in_force: dict[str, str] = {}
        self._confirmed = ""

    def keep(self, statement: Statement) -> None:
        self._kept[statement.hash] = statement

    def has(self, statement: Statement) -> bool:
        return statement.hash in self._kept

    def drop_before(self, serial: int) -> None:
        self._kept = {hash: one for hash, one in self._kept.items() if one.serial >= serial}

    def statements(self, known: Container[str] = ()) -> list[Statement]:
        found = [one for hash, one in self._kept.items() if hash not in known]
        return sorted(found, key=lambda one: (one.serial, one.hash))

    def note_in_force(self, by_home: Mapping[str, str]) -> None:
        serials = {one.hash: one.serial for one in self._kept.values()}
        for home, hash in by_home.items():
            if serials.get(hash, 0) >= serials.get(self._in_force.get(home, ""), 0):
                self._in_force[home] = hash

    def in_force(self) -> dict[str, str]:
        return dict(self._in_force)

    def note_confirmed(self, statement: Statement) -> None:
        self._confirmed = statement.hash

    def confirmed(self) -> str:
        return self._confirmed


class RegionValues:
    """A region's settings, which can be away. It calls `on_statement` with each text that it accepts."""

    def __init__(self, on_statement: Callable[[str], None]) -> None:
        self.available = True
        self._settings: dict[str, Setting] = {}
        self._version = 0
        self._on_statement = on_statement

    def read(self, key: str) -> Setting | None:
        self._require_available()
        return self._settings.get(key)

    def write(self, key: str, value: str, expected_version: int | None = None) -> bool:
        self._require_available()
        found = self._settings.get(key)
        if expected_version is not None and expected_version != (found.version if found else 0):
            return False
        self._version += 1
        self._settings[key] = Setting(value, self._version)
        if key == STATEMENT:
            self._on_statement(value)
        return True

    def delete(self, key: str) -> None:
        self._require_available()
        self._version += 1
        self._settings.pop(key, None)

    def watch(self, prefix: str, known: int, timeout_s: float) -> int:
        self._require_available()
        return self._version + 1

    def _require_available(self) -> None:
        if not self.available:
            raise Unavailable("the settings are away")


@dataclass
class Node:
    """A process of a region (`rules` are live) or an edge (followed). Frozen, it does nothing while time passes."""

    name: str
    region: str
    offset_s: float
    rate: float
    folder: FolderInMemory
    now: Callable[[], float]
    frozen_until_s: float = 0.0
    next_round_s: float = 0.0
    rules: LiveRules | FollowedRules | None = None
    watch: SettingsStatement | None = None
    inbox: list[tuple[float, str, Report, float]] = field(default_factory=list)
    incarnation: int = 0

    def clock_s(self) -> float:
        return self.offset_s + self.rate * self.now()

    @property
    def awake(self) -> bool:
        return self.now() >= self.frozen_until_s


class World:
    """`regions` with `processes` each, maybe a witness, an edge beside each region and one that is far away."""

    def __init__(self, random: Random, regions: int = 3, processes: int = 2, witness: bool = False) -> None:
        self.random, self.now_s = random, 0.0
        self.regions = [f"r{number}" for number in range(1, regions + 1)]
        self.voters = [*self.regions, *(["w"] if witness else [])]
        self.edges = [*(f"e{number}" for number in range(1, regions + 1)), "far"]
        self.places = [
            *(place(name, jurisdiction=f"J{number}", number=number) for number, name in enumerate(self.regions, 1)),
            *(place(f"e{i}", Kind.EDGE, f"J{i}", shield_of=f"r{i}") for i in range(1, regions + 1)),
            place("far", Kind.EDGE, "FAR"),
            *([place("w", Kind.WITNESS, "W")] if witness else []),
        ]
        self.compliance = Compliance()
        self.root = self.compliance.signers
        self.by_text: dict[str, Statement] = {}
        self.held: dict[str, dict[str, float]] = {}
        """When each region's settings held a statement first, by hash and region."""
        self.values = {name: RegionValues(self._recorder(name)) for name in self.voters}
        self.blocked: dict[tuple[str, str], Callable[[float], bool]] = {}
        self.lies: dict[str, Callable[[Report], Report]] = {}
        self.slowest_s = 0.8
        self.disks = {name: FolderInMemory() for name in self.voters}
        self.processes = [self._node(f"{name}.{i}", name) for name in self.voters for i in range(processes)]
        self.edge_nodes = [self._node(name, "") for name in self.edges]
        self.states(ALLOWING)
        for name in self.voters:
            self.values[name].write(STATEMENT, self.compliance.latest.signed)
        for node in self.nodes:
            self.start(node)

    @property
    def nodes(self) -> list[Node]:
        return [*self.processes, *self.edge_nodes]

    def states(self, policy_text: str, previous: Statement | None = None, lease_s: int = LEASE_S) -> Statement:
        """Signed by the compliance team; no region has it yet."""
        statement = self.compliance.states(
            policy_text, self.places, previous=previous, lease_s=lease_s, because=str(len(self.by_text))
        )
        self.by_text[statement.signed] = statement
        return statement

    def apply(self, statement: Statement, region: str) -> bool:
        """As `darkroom policy apply` does; False if the region's settings are away."""
        try:
            for one in self._with_those_before(statement):
                store_in_history(self.values[region], one)
            return self.values[region].write(STATEMENT, statement.signed)
        except Unavailable:
            return False

    def _with_those_before(self, statement: Statement) -> list[Statement]:
        by_hash, found = {one.hash: one for one in self.by_text.values()}, [statement]
        while found[-1].previous:
            found.append(by_hash[found[-1].previous])
        return found

    def start(self, node: Node, with_disk: bool = True) -> None:
        """Starts the process, or kills it and starts it again."""
        node.inbox, node.incarnation = [], node.incarnation + 1
        if not with_disk:
            node.folder = FolderInMemory()
        if node in self.edge_nodes:
            node.rules = FollowedRules(node.folder, self.root, node.clock_s, jitter=self.random.random)
            return
        node.rules = LiveRules(node.region, node.folder, self.root, node.clock_s)
        node.watch = SettingsStatement(SimpleNamespace(values=self.values[node.region]), node.rules)
        node.watch.start()

    def block(self, asking: str, asked: str, until_s: float, period_s: float = 0.0) -> None:
        """No question of the place reaches the region, until then; with a period, in every other one."""
        start_s = self.now_s
        self.blocked[asking, asked] = lambda at_s: (
            at_s < until_s and not (period_s and int((at_s - start_s) / period_s) % 2)
        )

    def reaches(self, asking: str, asked: str) -> bool:
        return not self.blocked.get((asking, asked), lambda _: False)(self.now_s)

    def run(self, seconds: float, on_tick: Callable[[], None]) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now_s += TICK_S
            for node in self.nodes:
                if node.awake:
                    self._receive(node)
                    if self.now_s >= node.next_round_s:
                        node.next_round_s = self.now_s + 1.0
                        self._round(node)
            on_tick()

    def rules_of(self, node: Node) -> list[Rules]:
        """Those of a process; for an edge, those for each home."""
        if isinstance(node.rules, FollowedRules):
            return [node.rules.of(home) for home in self.regions]
        return [node.rules.current()]

    def _node(self, name: str, region: str) -> Node:
        offset_s, rate = self.random.uniform(0, 1e6), 1 + self.random.uniform(-MAX_DRIFT, MAX_DRIFT)
        folder = self.disks[region] if region else FolderInMemory()
        return Node(name, region, offset_s, rate, folder, lambda: self.now_s, next_round_s=self.random.random())

    def _recorder(self, region: str) -> Callable[[str], None]:
        def record(text: str) -> None:
            if statement := self.by_text.get(text):
                self.held.setdefault(statement.hash, {}).setdefault(region, self.now_s)

        return record

    def _round(self, node: Node) -> None:
        if node.watch is not None:
            with suppress(Unavailable):
                node.watch.watch_once()
        asking = node.region or node.name
        for region in self.voters if node.region else self.regions:
            if region != node.region and self.reaches(asking, region):
                self._ask(node, region)

    def _ask(self, node: Node, region: str) -> None:
        """The answer is made some time after the question, and arrives some time after it was made."""
        answering = [one for one in self.processes if one.region == region and one.awake]
        if answering:
            report = self.random.choice(answering).rules.report()
            try:
                report = reports.from_document(
                    reports.to_document(self.lies.get(region, lambda one: one)(report)), region
                )
            except Problem:
                return
            delay_s = self.random.choice([0.0, 0.0, self.random.uniform(0, self.slowest_s)])
            node.inbox.append((self.now_s + delay_s, region, report, node.clock_s()))

    def _receive(self, node: Node) -> None:
        due = [one for one in node.inbox if one[0] <= self.now_s]
        node.inbox = [one for one in node.inbox if one[0] > self.now_s]
        for _, region, report, asked_s in due:
            fetch = self._fetcher(node, region)
            try:
                if isinstance(node.rules, FollowedRules):
                    node.rules.hear(report, asked_s, fetch)
                    continue
                if node.rules.needs(report):
                    node.rules.take(fetch(report.hash), Links(fetch))
                node.rules.hear(report, asked_s)
            except (Problem, StatementError):
                continue

    def _fetcher(self, node: Node, region: str) -> Callable[[str], str]:
        def fetch(hash: str) -> str:
            awake = [one for one in self.processes if one.region == region and one.awake]
            if not awake or not self.reaches(node.region or node.name, region):
                raise Unavailable("nobody answers")
            answering = self.random.choice(awake)
            return answering.rules.signed(hash) or from_history(self.values[region], hash)

        return fetch
