"""Which sessions have ended: read again and again, bounded, and each region's for itself."""

import pytest

from origin.accounts import revocation
from origin.accounts.revocation import Position, RevocationReader, RevokedSessions, parse_page
from regions.clock import steady_ms
from regions.errors import BadGateway, Unavailable
from tests.builders.embedded import Clock

MINUTE_MS = 60_000


class Home:
    """A region's list of ended sessions, in pages of two."""

    def __init__(self):
        self.entries: list[Position] = []
        self.asked: list[Position] = []

    def fetch(self, after):
        self.asked.append(after)
        found = sorted(entry for entry in self.entries if entry > after)[:2]
        return found, found[-1] if len(found) == 2 else None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def revoked(clock):
    return RevokedSessions(clock.now_ms)


def test_all_pages_are_read(clock, revoked):
    home = Home()
    home.entries = [Position(clock.at_ms - number, f"s_{number}") for number in range(5)]
    RevocationReader("eu-west", home.fetch, revoked, clock.now_ms).run_once()
    assert all(revoked.has("eu-west", f"s_{number}") for number in range(5))
    assert not revoked.has("us-central", "s_1") and not revoked.has("eu-west", "s_9")


def test_an_entry_that_comes_late_is_not_missed(clock, revoked):
    """Its time may be a minute before one that was read already: two clocks may both be 30 s off."""
    home = Home()
    reader = RevocationReader("eu-west", home.fetch, revoked, clock.now_ms)
    home.entries.append(Position(clock.at_ms, "s_1"))
    reader.run_once()
    home.entries.append(Position(clock.at_ms - MINUTE_MS, "s_late"))
    reader.run_once()
    assert revoked.has("eu-west", "s_late")


def test_a_clock_that_is_ahead_hides_nothing(clock, revoked):
    """An entry of tomorrow does not move the reader beyond the present."""
    home = Home()
    reader = RevocationReader("eu-west", home.fetch, revoked, clock.now_ms)
    home.entries.append(Position(clock.at_ms + 1440 * MINUTE_MS, "s_tomorrow"))
    reader.run_once()
    home.entries.append(Position(clock.at_ms, "s_1"))
    reader.run_once()
    assert revoked.has("eu-west", "s_1") and revoked.has("eu-west", "s_tomorrow")


def test_a_clock_that_was_set_forth_and_back_hides_nothing(clock, revoked):
    """Neither what ended while it was ahead, by another clock, nor what ends after it."""
    home = Home()
    reader = RevocationReader("eu-west", home.fetch, revoked, clock.now_ms)
    clock.advance(17 * MINUTE_MS)
    home.entries.append(Position(clock.at_ms, "s_by_this_clock"))
    reader.run_once()
    home.entries.append(Position(clock.at_ms - 17 * MINUTE_MS, "s_meanwhile"))
    reader.run_once()
    clock.advance(-17 * MINUTE_MS)
    home.entries.append(Position(clock.at_ms, "s_after"))
    reader.run_once()
    assert revoked.has("eu-west", "s_meanwhile") and revoked.has("eu-west", "s_after")


def test_of_a_quiet_region_only_the_life_of_a_token_is_read(clock, revoked):
    """However long ago its last session ended."""
    home = Home()
    reader = RevocationReader("eu-west", home.fetch, revoked, clock.now_ms)
    for _ in range(3):
        clock.advance(60 * MINUTE_MS)
        reader.run_once()
    assert home.asked[-1].at_ms >= clock.at_ms - 20 * MINUTE_MS


def test_a_round_reads_what_is_new_alone(clock, revoked):
    """And what may come late. Nothing has ended, or something has long ago: each minute read is a look-up."""
    home = Home()
    home.entries = [Position(clock.at_ms - 15 * MINUTE_MS, "s_1")]
    reader = RevocationReader("eu-west", home.fetch, revoked, clock.now_ms)
    for _ in range(2):
        reader.run_once()
        clock.advance(2_000)
    assert home.asked[-1].at_ms >= clock.at_ms - 2 * MINUTE_MS


def test_a_region_that_ends_more_than_a_round_reads_is_read_on(clock, revoked, monkeypatch):
    """All within the minute that is read again: the next round must not begin where this one did."""
    monkeypatch.setattr(revocation, "_MAX_PAGES", 2)
    home = Home()
    home.entries = [Position(clock.at_ms - 9 + number, f"s_{number}") for number in range(9)]
    reader = RevocationReader("eu-west", home.fetch, revoked, clock.now_ms)
    for _ in range(4):
        reader.run_once()
    assert all(revoked.has("eu-west", f"s_{number}") for number in range(9))


def test_a_new_process_reads_what_ended_within_the_life_of_a_token(clock, revoked):
    home = Home()
    home.entries = [Position(clock.at_ms - 15 * MINUTE_MS, "s_1"), Position(clock.at_ms - 60 * MINUTE_MS, "s_old")]
    RevocationReader("eu-west", home.fetch, revoked, clock.now_ms).run_once()
    assert revoked.has("eu-west", "s_1") and not revoked.has("eu-west", "s_old")


def test_what_ended_long_ago_is_forgotten(clock, revoked):
    """All its tokens have run out."""
    revoked.add("eu-west", ["s_1"])
    clock.advance(15 * MINUTE_MS)
    revoked.add("eu-west", ["s_2"])
    assert revoked.has("eu-west", "s_1")
    clock.advance(2 * MINUTE_MS)
    revoked.add("eu-west", [])
    assert not revoked.has("eu-west", "s_1") and revoked.has("eu-west", "s_2")


def test_a_region_that_ends_very_many_makes_others_forget_nothing(clock, revoked):
    """It fills its own share."""
    revoked.add("eu-west", ["s_1"])
    revoked.add("us-central", (f"s_{number}" for number in range(60_000)))
    assert revoked.has("eu-west", "s_1") and revoked.has("us-central", "s_59999")
    assert not revoked.has("us-central", "s_0")


def test_what_is_forgotten_too_soon_is_alarmed(clock, revoked, caplog):
    """Its tokens are good again. What is forgotten in time is not."""
    revoked.add("eu-west", (f"s_{number}" for number in range(50_000)))
    clock.advance(17 * MINUTE_MS)
    revoked.add("eu-west", (f"t_{number}" for number in range(50_000)))
    assert caplog.records == []
    revoked.add("eu-west", ["s_1", "s_2"])
    [alarm] = caplog.records
    assert (alarm.levelname, alarm.of_region, alarm.sessions) == ("ERROR", "eu-west", 2)


def test_the_clock_that_measures_how_long_something_is_kept_is_not_set_with_the_wall_clock(monkeypatch):
    before_ms = steady_ms()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    assert before_ms <= steady_ms() < before_ms + MINUTE_MS


def test_a_region_that_never_comes_to_an_end_is_left(clock, revoked):
    """After a bounded number of pages; the next round goes on."""
    asked = []

    def fetch(after):
        asked.append(after)
        return [], Position(after.at_ms + 1, "s")

    RevocationReader("us-central", fetch, revoked, clock.now_ms).run_once()
    assert len(asked) == revocation._MAX_PAGES


def test_a_region_that_does_not_answer_is_unavailable(clock, revoked):
    """Whatever is wrong with it, so that the next round tries again."""

    def fetch(after):
        raise BadGateway("nonsense")

    with pytest.raises(Unavailable):
        RevocationReader("us-central", fetch, revoked, clock.now_ms).run_once()


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {"items": 1, "next": None}, {"items": [{}], "next": None}, {"items": []},
        {"items": [], "next": {"at_ms": "x"}}, {"items": [], "next": {"at_ms": 1 << 80, "session_id": "s"}},
        *({"items": [{"at_ms": at_ms, "session_id": "s"}], "next": None} for at_ms in (None, float("inf"), True, -1)),
    ],
)  # fmt: skip
def test_a_page_of_another_form_is_unavailable(document):
    with pytest.raises(Unavailable):
        parse_page(document)
