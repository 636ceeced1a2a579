"""A region whose chains lead to nothing is asked for them more and more rarely; nobody else is heard less for it."""

import logging
from itertools import pairwise

import pytest

from regions.errors import NotFound, StatementError, Unavailable
from regions.residency.chain import Links
from regions.residency.chain_pauses import ChainPauses
from regions.residency.exchange import Report
from regions.residency.following_loop import FollowingLoop
from regions.residency.live import FollowedRules, LiveRules
from regions.residency.peers import Peers
from regions.residency.statement_folder import StatementFolder
from tests.builders.statement_chains import SMALL_POLICY, CountedTexts, history, last_of, unsigned
from tests.builders.statements import BootClock, Compliance

TEAM = Compliance()
FIRST = TEAM.states()
SECOND = TEAM.states()
MINUTES_S = 600
CHAINS = {
    "signed by nobody": unsigned(3, before=""),
    "ends in a 404": unsigned(3),
}


class Regions:
    """What each region answers: a report, and the texts behind it."""

    def __init__(self) -> None:
        self.reports: dict[str, Report] = {}
        self.texts: dict[str, CountedTexts] = {}

    def answer(self, region: str, top: str, serial: int, texts: CountedTexts, in_force: str = "") -> None:
        self.reports[region] = Report(region, serial, top, in_force or top, 0.0, 60.0)
        self.texts[region] = texts

    def report(self, name: str, url: str) -> Report:
        return self.reports[name]

    def signed(self, name: str, url: str, hash: str) -> str:
        return self.texts[name](hash)


class Seconds:
    """A `stop` that is set after so many seconds, which pass on the clock at each pause."""

    def __init__(self, clock: BootClock, seconds: float) -> None:
        self._clock, self._until_s, self.waits = clock, clock.at_s + seconds, 0

    def wait(self, pause_s: float) -> bool:
        self._clock.at_s += pause_s
        self.waits += 1
        return self._clock.at_s >= self._until_s


@pytest.fixture
def clock() -> BootClock:
    return BootClock()


@pytest.fixture
def regions() -> Regions:
    return Regions()


def lies(regions: Regions, texts: dict[str, str]) -> tuple[CountedTexts, str]:
    """us-central reports the last of the texts, with a high serial. Returns them, and its hash."""
    counted, top = CountedTexts(texts), list(texts)[-1]
    regions.answer("us-central", top, 1 << 30, counted)
    return counted, top


@pytest.fixture
def followed(tmp_path, clock) -> FollowedRules:
    return FollowedRules(StatementFolder(tmp_path / "edge"), TEAM.signers, clock, jitter=lambda: 0.5)


@pytest.mark.parametrize("texts", CHAINS.values(), ids=CHAINS.keys())
def test_a_replicator_asks_more_and_more_rarely_and_hears_others_each_second(followed, regions, clock, texts):
    """For a chain that leads to nothing. When the region tells the truth again, it is heard at once."""
    regions.answer("eu-west", FIRST.hash, 1, CountedTexts({FIRST.hash: FIRST.signed}))
    loop = FollowingLoop(followed, regions, {"eu-west": "", "us-central": ""})
    loop.ask_once("eu-west")
    counted, top = lies(regions, texts)
    asked_s: list[float] = []
    for _ in range(MINUTES_S):
        clock.at_s += 1
        before = counted.asked.count(top)
        with pytest.raises((StatementError, NotFound)):
            loop.ask_once("us-central")
        asked_s += [clock.at_s] * (counted.asked.count(top) - before)
        loop.ask_once("eu-west")
        assert followed.of("eu-west").leased
    pauses_s = [later - earlier for earlier, later in pairwise(asked_s)]
    assert pauses_s == sorted(pauses_s)
    assert 8 <= len(asked_s) <= 20
    assert pauses_s[-1] <= 60
    assert not followed.of("us-central").leased
    regions.answer("us-central", FIRST.hash, 1, CountedTexts({}))
    loop.ask_once("us-central")
    assert followed.of("us-central").leased


def test_a_region_that_does_not_answer_for_its_statement_is_asked_each_second(followed, regions, clock):
    """It is away, and will be there again."""
    missing = CountedTexts({}, Unavailable("away"))
    regions.answer("us-central", SECOND.hash, 2, missing)
    loop = FollowingLoop(followed, regions, {"us-central": ""})
    for _ in range(60):
        clock.at_s += 1
        with pytest.raises(Unavailable):
            loop.ask_once("us-central")
    assert len(missing.asked) == 60


def test_a_replicator_logs_once_that_a_region_is_not_to_be_used(followed, regions, clock, caplog):
    """Until it was again."""
    lies(regions, unsigned(3))
    stop = Seconds(clock, 100)
    FollowingLoop(followed, regions, {"us-central": ""}).run_forever("us-central", stop)
    assert stop.waits == 100
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 1


@pytest.mark.parametrize("texts", CHAINS.values(), ids=CHAINS.keys())
def test_an_origin_asks_more_and_more_rarely(tmp_path, regions, clock, texts):
    """And takes what another region has meanwhile."""
    rules = LiveRules("eu-west", StatementFolder(tmp_path), TEAM.signers, clock)
    rules.take(FIRST.signed, Links(CountedTexts({})))
    peers = Peers(rules, regions, {"us-central": "", "eu-central": ""})
    counted, top = lies(regions, texts)
    for _ in range(MINUTES_S):
        clock.at_s += 1
        with pytest.raises((StatementError, NotFound)):
            peers.ask_once("us-central")
    assert 8 <= counted.asked.count(top) <= 20
    regions.answer("eu-central", SECOND.hash, 2, CountedTexts({SECOND.hash: SECOND.signed}))
    peers.ask_once("eu-central")
    assert rules.highest == SECOND


def test_a_node_that_slept_for_three_thousand_statements_follows_them(tmp_path, regions, clock):
    """A replicator, and an origin."""
    team = Compliance()
    first = team.states(SMALL_POLICY)
    texts = history(team, first, 3000)
    last = last_of(team, texts)
    regions.answer("eu-west", first.hash, 1, CountedTexts({first.hash: first.signed}))
    following = FollowedRules(StatementFolder(tmp_path / "replicator"), team.signers, clock)
    loop = FollowingLoop(following, regions, {"eu-west": ""})
    loop.ask_once("eu-west")
    origin = LiveRules("eu-central", StatementFolder(tmp_path / "origin"), team.signers, clock)
    origin.take(first.signed, Links(CountedTexts({})))
    regions.answer("eu-west", last.hash, last.serial, CountedTexts(texts))
    loop.ask_once("eu-west")
    assert following.of("eu-west").in_force == last
    regions.answer("us-central", last.hash, last.serial, CountedTexts(texts))
    peers = Peers(origin, regions, {"eu-west": "", "us-central": ""})
    for region in ("eu-west", "us-central"):
        peers.ask_once(region)
    assert origin.current().in_force == last


def test_of_one_region_one_chain_is_followed_at_a_time(clock):
    """Another thread, or a second request to a shield, does not fetch the same again beside it."""
    pauses = ChainPauses(clock, lambda: 0.0)
    with pauses.following("us-central", Links(CountedTexts({}))):
        with pytest.raises(StatementError), pauses.following("us-central", Links(CountedTexts({}))):
            pass
        with pauses.following("eu-west", Links(CountedTexts({}))):
            pass
    with pauses.following("us-central", Links(CountedTexts({}))):
        pass
