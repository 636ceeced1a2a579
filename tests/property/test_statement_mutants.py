"""The laws of the exchange are tests that can fail: each of these mistakes, planted by hand, breaks one of them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from regions.residency import exchange
from regions.residency.exchange import Exchange
from regions.residency.following import Following
from regions.residency.live import FollowedRules, LiveRules
from regions.residency.rules import Rules
from tests.property import test_statement_exchange as laws

hear, live_report, followed_hear = Exchange.hear, LiveRules.report, FollowedRules.hear


def _longest_lease(self: Following, home: str, now_s: float) -> Rules:
    return replace(following_rules(self, home, now_s), leased=now_s < max(self._lease_until_s.values(), default=0))


following_rules = Following.rules


def waking(seed: int) -> None:
    laws.test_who_wakes_with_old_answers_in_hand_has_no_lease()


def without_settings(seed: int) -> None:
    laws.test_without_settings_everybody_loses_the_lease_although_all_answer()


MUTANTS = {
    "the lease counts from the answer": (
        Exchange, "hear", lambda self, report, asked_s, now_s: hear(self, report, now_s, now_s), waking,
    ),
    "the age of what a region knows is ignored": (
        Exchange, "hear", lambda self, report, asked_s, now_s: hear(self, replace(report, age_s=0.0), asked_s, now_s),
        without_settings,
    ),
    "a region confirms without its settings": (
        LiveRules, "report",
        lambda self: replace(live_report(self), hash=self.highest.hash if self.highest else ""), laws.simulate,
    ),
    "half is a majority": (
        exchange, "_is_majority", lambda names, voters: 2 * len(voters.intersection(names)) >= len(voters),
        lambda seed: laws.simulate(seed, [(2, 2)]),
    ),
    "one region confirms for all": (
        exchange, "_is_majority", lambda names, voters: len(voters.intersection(names)) > 0, laws.simulate,
    ),
    "what is confirmed is in force at once": (Exchange, "_wait_s", lambda self, statement: 0.0, laws.simulate),
    "what is pending does not count": (
        Exchange, "rules", lambda self, now_s: Rules(self._in_force, (), now_s < self.lease_until_s()), laws.simulate,
    ),
    "nobody's lease ends": (Exchange, "lease_until_s", lambda self: float("inf"), laws.simulate),
    "an edge has the longest lease of any home": (
        Following, "rules", _longest_lease,
        lambda seed: laws.test_a_region_that_is_cut_off_loses_its_lease_and_its_edges_lose_it_too(),
    ),
    "an edge's lease counts from the answer": (
        FollowedRules, "hear", lambda self, report, asked_s, fetch: followed_hear(self, report, self.clock_s(), fetch),
        waking,
    ),
    "an edge does not fetch what its region's process knows beyond its settings": (
        Following, "needs", lambda self, report: [
            one for one in (report.in_force, report.hash) if one and self._by_hash(one) is None
        ],
        laws.test_what_tightens_reaches_every_reachable_edge_within_ten_seconds,
    ),
    "only a majority's word makes a statement tighten": (
        LiveRules, "needs", lambda self, report: False, laws.simulate,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("where", "name", "mutant", "law"), MUTANTS.values(), ids=MUTANTS.keys())
def test_a_planted_mistake_breaks_a_law(
    monkeypatch, where: object, name: str, mutant: Callable, law: Callable[[int], object]
):
    monkeypatch.setattr(where, name, mutant)
    with pytest.raises(AssertionError):
        for seed in range(8):
            simulated = law(seed)
            if isinstance(simulated, tuple):
                laws.require_agreement(simulated[0])
