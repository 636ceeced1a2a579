"""What follows from the answers of other regions: confirmations, the lease, and what is in force."""

from dataclasses import replace

import pytest

from regions.residency.exchange import WAIT_LEASES, Accepted, Exchange, Report
from regions.residency.statement import MAX_LEASE_S, Kind, Statement
from tests.builders.statements import DEPLOYED, Compliance, place

TEAM = Compliance()
FIRST, SECOND, THIRD = TEAM.states(), TEAM.states(lease_s=100), TEAM.states(lease_s=30)
RIVAL = TEAM.states(previous=FIRST, because="another second one")
REGIONS = sorted(FIRST.voters)
WAIT_S = WAIT_LEASES * 100


def report(region: str, statement: Statement | None, age_s: float = 0.0, in_force: Statement | None = None) -> Report:
    serial, hash = (statement.serial, statement.hash) if statement else (0, "")
    return Report(region, serial, hash, in_force.hash if in_force else "", age_s, 0.0)


def hear(exchange: Exchange, statement: Statement | None, at_s: float, *regions: str, age_s: float = 0.0) -> None:
    for region in regions or REGIONS:
        exchange.hear(report(region, statement, age_s), at_s, at_s)


@pytest.mark.parametrize("age_s", [-1e9, -0.1])
def test_a_negative_age_lends_no_time(age_s):
    """The lease counts from the question."""
    exchange = Exchange(FIRST)
    hear(exchange, FIRST, 50.0, age_s=age_s)
    assert exchange.lease_until_s() == 110.0


def test_the_lease_counts_from_what_a_majority_knew_and_never_gets_shorter():
    """The second youngest of three counts; a late answer changes nothing."""
    exchange = Exchange(FIRST)
    for region, age_s in zip(REGIONS, (0.0, 7.0, 1e9), strict=True):
        exchange.hear(report(region, FIRST, age_s), 50.0, 55.0)
    assert exchange.lease_until_s() == 50.0 - 7.0 + 60.0
    hear(exchange, FIRST, 20.0)
    assert exchange.lease_until_s() == 103.0
    assert (exchange.rules(102.9).leased, exchange.rules(103.0).leased) == (True, False)


def test_a_region_that_has_nothing_or_lost_something_renews_no_lease():
    """Until it has again what it had."""
    exchange = Exchange(FIRST, [SECOND])
    hear(exchange, None, 10.0)
    assert exchange.lease_until_s() == float("-inf")
    hear(exchange, SECOND, 20.0)
    until_s = exchange.lease_until_s()
    hear(exchange, FIRST, 30.0)
    assert exchange.lease_until_s() == until_s
    hear(exchange, SECOND, 31.0)
    assert exchange.lease_until_s() == until_s + 11.0


def test_an_unknown_statement_must_be_fetched_also_one_older_than_the_highest():
    """Not one older than what is in force."""
    exchange = Exchange(FIRST, [THIRD])
    assert exchange.needs(report("eu-west", SECOND))
    assert not exchange.needs(report("eu-west", THIRD))
    assert not Exchange(THIRD).needs(report("eu-west", SECOND))
    hear(exchange, SECOND, 10.0)
    assert exchange.lease_until_s() == float("-inf")
    assert exchange.accept(SECOND) is Accepted.NEW
    assert [one.serial for one in exchange.rules(0.0).pending] == [2, 3]


def test_a_statement_waits_for_the_longest_lease_that_somebody_may_have():
    """Counted from when the majority was known; its own lease and the one in force."""
    exchange = Exchange(FIRST, [SECOND])
    hear(exchange, SECOND, 10.0, REGIONS[0])
    exchange.advance(1e6)
    assert exchange.in_force_from_s(SECOND) is None
    hear(exchange, SECOND, 1e6, REGIONS[1])
    assert exchange.in_force_from_s(SECOND) == 1e6 + WAIT_S
    exchange.advance(1e6 + WAIT_S - 0.1)
    assert exchange.rules(0.0).in_force == FIRST
    exchange.advance(1e6 + WAIT_S)
    assert (exchange.rules(0.0).in_force, exchange.rules(0.0).pending) == (SECOND, ())
    assert exchange.accept(FIRST) is Accepted.OLDER


def test_a_statement_whose_predecessor_is_unknown_waits_for_the_longest_lease_of_all():
    """Somebody may act on that one, and have its lease."""
    exchange = Exchange(FIRST, [THIRD])
    hear(exchange, THIRD, 10.0)
    assert exchange.missing_before(THIRD) == SECOND.hash
    assert exchange.in_force_from_s(THIRD) == 10.0 + WAIT_LEASES * MAX_LEASE_S
    exchange.accept(SECOND)
    assert exchange.missing_before(THIRD) == ""
    assert exchange.in_force_from_s(THIRD) == 10.0 + WAIT_S


def test_a_statement_that_a_majority_has_in_force_is_in_force():
    """They have waited. One region's word is not enough."""
    for start in (None, FIRST):
        exchange = Exchange(start, [SECOND])
        exchange.hear(report(REGIONS[0], SECOND, 0.0, SECOND), 10.0, 10.0)
        assert exchange.rules(10.0).in_force == start
        exchange.hear(report(REGIONS[1], SECOND, 0.0, SECOND), 10.0, 10.0)
        assert exchange.rules(10.0).in_force == SECOND


def test_a_majority_of_those_before_and_of_those_after_must_confirm():
    """With members that a statement in between has added."""
    team = Compliance()
    first = team.states()
    members = list(DEPLOYED)
    for name in ("w1", "w2"):
        members.append(place(name, Kind.WITNESS, "CH"))
        last = team.states(places=members)
    exchange = Exchange(first, [last])
    hear(exchange, last, 10.0, "w1", "w2", "us-central")
    assert exchange.in_force_from_s(last) is None
    hear(exchange, last, 11.0, "eu-west")
    assert exchange.in_force_from_s(last) is not None
    only_old = Exchange(first, [last])
    hear(only_old, last, 10.0, "eu-west", "eu-central")
    assert only_old.in_force_from_s(last) is None


def test_a_region_counts_for_one_of_two_statements_with_one_serial():
    """For that which it held first; both tighten."""
    exchange = Exchange(FIRST)
    assert (exchange.accept(SECOND), exchange.accept(RIVAL)) == (Accepted.NEW, Accepted.FORKED)
    assert exchange.highest == SECOND
    hear(exchange, SECOND, 10.0, REGIONS[0])
    hear(exchange, RIVAL, 11.0, REGIONS[0], REGIONS[1])
    assert exchange.in_force_from_s(RIVAL) is None
    assert list(exchange.rules(11.0).pending) == [SECOND, RIVAL]
    hear(exchange, RIVAL, 12.0, REGIONS[2])
    exchange.advance(12.0 + WAIT_S)
    assert exchange.rules(12.0 + WAIT_S).in_force == RIVAL
    assert exchange.accept(SECOND) is Accepted.OLDER


def test_who_is_no_region_confirms_nothing():
    """Edges, and names that no statement lists."""
    exchange = Exchange(FIRST, [SECOND])
    hear(exchange, SECOND, 10.0, "lisbon", "sydney", "moon", "chicago")
    assert exchange.in_force_from_s(SECOND) is None
    assert exchange.lease_until_s() == float("-inf")


def test_the_first_statement_is_in_force_as_soon_as_a_majority_has_it():
    """Nobody can act on one before it."""
    exchange = Exchange(None, [FIRST])
    hear(exchange, FIRST, 10.0, *REGIONS[:2])
    assert exchange.rules(10.0) == replace(exchange.rules(10.0), in_force=FIRST, leased=True)
