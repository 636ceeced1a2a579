"""Laws of the exchange of statements, checked by an observer who sees every process of a simulated world.

Each seed is a schedule of partitions (one-way, flapping), lost and late answers, restarts, frozen processes, settings
that are away or written by somebody else, and new statements at any region. A failure names its seed.
DARKROOM_SIMULATIONS=1000 runs more of them.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from regions.errors import Unavailable
from regions.residency.decide import Subject
from regions.residency.exchange import WAIT_LEASES, Report
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.residency.statement import Statement
from regions.stores.settings import STATEMENT
from tests.builders.statement_world import ALLOWING, DENYING, LEASE_S, MAX_DRIFT, TICK_S, Node, World

SEEDS = range(int(os.environ.get("DARKROOM_SIMULATIONS", "8")))
SOON_S = 10.0
LEASE_ENDS_S = LEASE_S / (1 - MAX_DRIFT) + 2 * TICK_S
IN_FORCE_S = WAIT_LEASES * LEASE_S / (1 - MAX_DRIFT) + SOON_S
EU, WORLD = Subject("eu", "r1"), Subject("world", "r1")


def is_majority(names: set[str], statement: Statement) -> bool:
    return 2 * len(names & statement.voters) > len(statement.voters)


class Observer:
    """Knows when a majority of the regions' settings held a statement, and looks at every process that is awake."""

    def __init__(self, world: World, liars: frozenset[str] = frozenset()) -> None:
        self.world, self.liars = world, liars
        self.confirmed_at_s: dict[str, float] = {}
        self.in_force: dict[int, str] = {}

    def check(self) -> None:
        world = self.world
        for statement in world.by_text.values():
            if is_majority(set(world.held.get(statement.hash, ())) | self.liars, statement):
                self.confirmed_at_s.setdefault(statement.hash, world.now_s)
        views = [(node, rules) for node in world.nodes if node.awake for rules in world.rules_of(node)]
        for node, rules in views:
            self._check_loosening(rules)
            if world.now_s % 1.0:
                continue
            if node.region == EU.home_region or node.name == "e1":
                self._check_own_jurisdiction(node, rules)
            self._check_place_bound(rules)
        if not self.liars:
            self._check_leases(views)

    def _check_loosening(self, rules: Rules) -> None:
        """What is in force anywhere has been held by a majority, and is the only one of its serial."""
        if rules.in_force is not None:
            assert rules.in_force.hash in self.confirmed_at_s
            assert self.in_force.setdefault(rules.in_force.serial, rules.in_force.hash) == rules.in_force.hash

    def _check_own_jurisdiction(self, node: Node, rules: Rules) -> None:
        if rules.statements:
            for action in (Action.SERVE, Action.CACHE, Action.REST_RAW):
                assert rules.decide(EU, action, node.region or node.name).allowed

    def _check_place_bound(self, rules: Rules) -> None:
        """Without a lease nothing of the class leaves; with one, only what all statements allow. Others go on."""
        if rules.statements:
            assert rules.decide(WORLD, Action.SERVE, "far").allowed or rules.in_force is None
        if rules.decide(EU, Action.SERVE, "far").allowed:
            assert rules.leased
            assert rules.in_force is not None
            assert all(one.policy_text == ALLOWING for one in rules.statements)

    def _check_leases(self, views: list[tuple[Node, Rules]]) -> None:
        """A process that has a lease knows what is in force anywhere, and what a majority has held for a lease."""
        due = [self.world_serial(hash) for hash, at_s in self.confirmed_at_s.items() if self._is_due(at_s)]
        in_force = [rules.in_force.serial for _, rules in views if rules.in_force]
        needed = max([*due, *in_force], default=0)
        for node, rules in views:
            if rules.leased:
                assert rules.newest is not None
                assert rules.newest.serial >= needed, f"{node.name} has a lease and misses statement {needed}"

    def _is_due(self, confirmed_at_s: float) -> bool:
        return self.world.now_s > confirmed_at_s + LEASE_ENDS_S

    def world_serial(self, hash: str) -> int:
        return next(one.serial for one in self.world.by_text.values() if one.hash == hash)


class Schedule:
    """What happens to a world, as the random numbers have it. `absent` regions never run; somebody else writes into the
    settings of `tampered`."""

    def __init__(self, world: World, absent: frozenset[str] = frozenset(), tampered: str = "") -> None:
        self.world, self.random, self.absent, self.tampered = world, world.random, absent, tampered
        spared = bool(absent) or len(world.voters) == 2
        self.diskless = "" if spared else self.random.choice([one for one in world.voters if one != tampered])
        self.away_until_s: dict[str, float] = {}
        self.applied: list[tuple[Statement, str, float]] = []

    @property
    def present(self) -> list[str]:
        return [name for name in self.world.voters if name not in self.absent]

    def step(self) -> None:
        world = self.world
        for name in self.absent:
            self._freeze(name, 1e9)
        for name, until_s in self.away_until_s.items():
            world.values[name].available = world.now_s >= until_s
        happenings = [self._partition, self._partition, self._pause, self._restart, self._settings_away, self._apply]
        if self.random.random() < TICK_S / 4:
            self.random.choice(happenings)()
        if self.tampered and self.random.random() < TICK_S / 8:
            self._tamper()

    def heal(self) -> None:
        world = self.world
        world.blocked.clear()
        world.lies.clear()
        self.tampered, self.away_until_s = "", {}
        for name in self.present:
            world.values[name].available = True
        for node in world.nodes:
            if node.region not in self.absent:
                node.frozen_until_s = 0.0

    def _partition(self) -> None:
        asking, asked = self.world.voters + self.world.edges, self.world.voters
        pairs = [(one, other) for one in asking for other in asked if one != other]
        side = set(self.random.sample(asking, self.random.randint(1, len(asking) - 1)))
        both_ways, period_s = self.random.random() < 0.6, self.random.choice([0.0, 0.0, 3.0])
        until_s = self.world.now_s + self.random.uniform(5, 50)
        for one, other in pairs:
            if (one in side) != (other in side) if both_ways else one in side and other not in side:
                self.world.block(one, other, until_s, period_s)

    def _pause(self) -> None:
        node = self.random.choice(self.world.nodes)
        node.frozen_until_s = max(node.frozen_until_s, self.world.now_s + self.random.uniform(2, 40))

    def _freeze(self, region: str, until_s: float) -> None:
        for node in self.world.processes:
            if node.region == region:
                node.frozen_until_s = until_s

    def _restart(self) -> None:
        """Disks are lost in one region only, and at edges: if a majority loses them, the next wait is the longest."""
        node = self.random.choice(self.world.nodes)
        with_disk = (bool(node.region) and node.region != self.diskless) or self.random.random() < 0.5
        if node.region not in self.absent:
            self.world.start(node, with_disk)

    def _settings_away(self) -> None:
        name = self.random.choice(self.world.voters)
        self.away_until_s[name] = self.world.now_s + self.random.uniform(2, 30)

    def _apply(self) -> None:
        latest = self.world.compliance.latest
        region = self.random.choice(self.present)
        if self.world.values[region].available:
            statement = self.world.states(DENYING if latest.policy_text == ALLOWING else ALLOWING)
            self.world.apply(statement, region)
            self.applied.append((statement, region, self.world.now_s))

    def _tamper(self) -> None:
        older = self.random.choice(list(self.world.by_text))
        texts = ["", "{", '{"statement": "{}", "signatures": {}}', older, older.replace("officer-1", "officer-9")]
        values = self.world.values[self.tampered]
        try:
            if self.random.random() < 0.3:
                values.delete(STATEMENT)
            elif (text := self.random.choice(texts)) != self.world.compliance.latest.signed:
                values.write(STATEMENT, text)
        except Unavailable:
            return


SHAPES = [(2, 2, True), (2, 2), (3, 2), (3, 1), (4, 1), (5, 1)]
"""Regions, processes of each, and whether there is a witness."""


def simulate(seed: int, shapes: list[tuple] = SHAPES, **faults: object) -> tuple[World, Observer, Schedule]:
    """Five minutes of trouble; then all heals."""
    random = Random(seed)
    world = World(random, *random.choice(shapes))
    schedule = Schedule(world, **faults)
    observer = Observer(world)

    def tick() -> None:
        schedule.step()
        observer.check()

    world.run(100, tick)
    schedule.heal()
    world.run(IN_FORCE_S + SOON_S, observer.check)
    return world, observer, schedule


def require_agreement(world: World, absent: frozenset[str] = frozenset(), latest: Statement | None = None) -> None:
    """All that run have the newest in force, and a lease."""
    latest = latest or max(world.by_text.values(), key=lambda one: one.serial)
    for node in world.nodes:
        if node.region not in absent:
            homes = [home for home in world.regions if home not in absent]
            for rules in [node.rules.current()] if node.region else [node.rules.of(home) for home in homes]:
                assert (node.name, rules.in_force and rules.in_force.serial) == (node.name, latest.serial)
                assert rules.leased


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_nobody_loosens_too_early_and_all_agree_in_the_end(seed):
    """And nobody's own jurisdiction is dark at any time."""
    world, _, _ = simulate(seed)
    require_agreement(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_who_writes_to_one_regions_settings_changes_nothing(seed):
    """Garbage, older statements and none at all: the laws hold as before, and in the end all agree.

    A statement that is overwritten before any process has seen it is nowhere; what any process knows is not lost.
    """
    world, _, _ = simulate(seed, tampered="r1")
    latest = max((node.rules.highest for node in world.nodes), key=lambda one: one.serial)
    require_agreement(world, latest=latest)
    assert {values.read(STATEMENT).value for values in world.values.values()} == {latest.signed}


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_a_region_that_is_lost_blocks_nothing(seed):
    """Two regions and a witness, or three regions, agree without one of them."""
    world, _, _ = simulate(seed, shapes=[(2, 2, True), (3, 2)], absent=frozenset({"r2"}))
    require_agreement(world, frozenset({"r2"}))


@pytest.mark.parametrize("seed", SEEDS)
def test_two_statements_of_one_serial_never_both_loosen(seed):
    """Which the compliance team should never sign. Each is applied at a region, and one over the other."""
    random = Random(seed)
    world = World(random, 3, 2)
    observer = Observer(world)
    world.run(30, observer.check)
    first = world.by_text[next(iter(world.by_text))]
    rivals = [world.states(ALLOWING, previous=first) for _ in range(3)]
    for _ in range(4):
        world.apply(random.choice(rivals), random.choice(world.regions))
        world.run(random.choice([0.25, 1, 3, 12]), observer.check)
    world.run(IN_FORCE_S, observer.check)
    world.apply(last := world.states(ALLOWING, previous=rivals[0]), "r3")
    world.run(IN_FORCE_S + SOON_S, observer.check)
    assert {rules.in_force.hash for node in world.nodes for rules in world.rules_of(node)} == {last.hash}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_tightens_reaches_every_reachable_edge_within_ten_seconds(seed):
    """Also an edge that reaches only one region, and not the one where it was applied; its settings may be away."""
    random = Random(seed)
    world = World(random, 3, 2)
    observer = Observer(world)
    world.run(40, observer.check)
    assert all(rules.decide(EU, Action.SERVE, "far").allowed for node in world.nodes for rules in world.rules_of(node))
    for region in ("r1", "r2"):
        world.block("far", region, 1e9)
    world.values["r3"].available = False
    world.apply(world.states(DENYING), random.choice(["r1", "r2"]))
    world.run(SOON_S, observer.check)
    assert not any(
        rules.decide(EU, Action.SERVE, "far").allowed for node in world.nodes for rules in world.rules_of(node)
    )


def test_a_region_that_is_cut_off_loses_its_lease_and_its_edges_lose_it_too():
    """The other regions' data goes on at these edges, and their own stays in its jurisdiction."""
    world = World(Random(1), 3, 1)
    observer = Observer(world)
    world.run(40, observer.check)
    for other in ("r2", "r3"):
        world.block("r1", other, 1e9)
    world.run(LEASE_S + 4, observer.check)
    assert not next(node for node in world.processes if node.region == "r1").rules.current().leased
    edges = [node.rules for node in world.edge_nodes]
    assert {(rules.of("r1").leased, rules.of("r2").leased) for rules in edges} == {(False, True)}


def test_who_wakes_with_old_answers_in_hand_has_no_lease():
    """A process and an edge stood still for two leases, and hear nothing new."""
    world = World(Random(1), 3, 1)
    observer = Observer(world)
    world.run(40, observer.check)
    frozen = [node for node in world.nodes if node.name in ("r1.0", "far")]
    for node in frozen:
        for region in ("r2", "r3"):
            world._ask(node, region)
        node.frozen_until_s = world.now_s + 2 * LEASE_S
        for region in world.regions:
            world.block(node.region or node.name, region, 1e9)
    world.values["r1"].available = False
    world.run(2 * LEASE_S + 1, observer.check)
    assert not any(rules.leased for node in frozen for rules in world.rules_of(node))


def test_without_settings_everybody_loses_the_lease_although_all_answer():
    """An answer is worth no more than what it is based on."""
    world = World(Random(1), 3, 1)
    observer = Observer(world)
    world.run(40, observer.check)
    for values in world.values.values():
        values.available = False
    world.run(LEASE_S + 4, observer.check)
    assert not any(rules.leased for node in world.nodes for rules in world.rules_of(node))


def hostile(random: Random, world: World) -> Callable[[Report], Report]:
    """Lies about everything that a report says."""
    hashes = ["", "0" * 64, *(one.hash for one in world.by_text.values())]

    def lie(report: Report) -> Report:
        return replace(
            report,
            serial=random.choice([0, report.serial, 1, 2, 1 << 40, -1]),
            hash=random.choice([report.hash, *hashes]),
            in_force=random.choice([report.in_force, *hashes, *(one.hash for one in world.by_text.values())]),
            age_s=random.choice([report.age_s, 0.0, -1e9, 1e9, float("nan"), float("inf")]),
            lease_left_s=random.choice([report.lease_left_s, 1e9, 0.0, float("nan")]),
            pending=random.choice([report.pending, (), ("0" * 64,)]),
        )

    return lie


@pytest.mark.parametrize("seed", SEEDS)
def test_a_region_that_lies_counts_for_one(seed):
    """Nothing loosens without a majority with it; when the others reach one another, they agree and have a lease."""
    random = Random(seed)
    world = World(random, 3, 1)
    observer = Observer(world, frozenset({"r3"}))
    world.edge_nodes = [node for node in world.edge_nodes if node.name in ("e1", "e2")]
    for round in range(5):
        statement = world.states(DENYING if round % 2 else ALLOWING)
        world.lies["r3"] = hostile(random, world)
        world.block("r1", "r2", world.now_s + random.uniform(0, 30))
        world.apply(statement, random.choice(["r1", "r2"]))
        world.run(25, lambda: [observer._check_loosening(node.rules.current()) for node in _honest(world, observer)])
    world.blocked.clear()
    world.run(IN_FORCE_S + SOON_S, lambda: None)
    for node in _honest(world, observer):
        assert node.rules.current().leased
        assert node.rules.current().in_force == world.compliance.latest


def _honest(world: World, observer: Observer) -> list[Node]:
    for statement in world.by_text.values():
        if is_majority(set(world.held.get(statement.hash, ())) | observer.liars, statement):
            observer.confirmed_at_s.setdefault(statement.hash, world.now_s)
    return [node for node in world.processes if node.region not in observer.liars]
