"""One fetch for many riders, and every way in which it can end."""

import hashlib

import gevent
import pytest
from gevent.event import Event

from edge.flights import Arrival, Flights
from edge.grants import Grant, ImageMeta
from regions.errors import BadGateway, NotFound, Problem, Unavailable

BODY = b"0123456789"
FACTS = ImageMeta(hashlib.sha256(BODY).hexdigest(), Grant(True, True, "r"), 0.0)


class Chunks:
    """A body that stops after its first half until `go` is set, and notes that it was closed."""

    def __init__(self, body: bytes = BODY) -> None:
        self.body, self.go, self.closed = body, Event(), False

    def __iter__(self):
        yield self.body[:5]
        self.go.wait()
        yield self.body[5:]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def flights():
    return Flights(most=2, most_bytes=20)


@pytest.fixture
def landed():
    return []


def board(flights, landed, chunks, key="a", storable=True):
    arrival = Arrival(FACTS, len(BODY), chunks, storable)
    return flights.board(key, lambda: arrival, lambda arrival, body: landed.append(body))


def test_riders_get_the_same_bytes_from_one_fetch(flights, landed):
    """Those who board late too, from the first byte."""
    chunks = Chunks()
    early = board(flights, landed, chunks)
    assert next(iter(early)) == b"01234"
    late = board(flights, landed, None)
    chunks.go.set()
    assert b"".join(early) == b"".join(late) == BODY
    assert (early.collapsed, late.collapsed, landed, chunks.closed) == (False, True, [BODY], True)


@pytest.mark.parametrize("body", [BODY[:9], BODY + b"x", b"01234xxxxx", b""])
def test_a_body_that_was_not_promised_never_looks_whole(flights, landed, body):
    """Short, long, or other bytes: each rider's reading breaks off before the end, and nothing lands."""
    chunks = Chunks(body)
    chunks.go.set()
    seats = [board(flights, landed, chunks) for _ in range(3)]
    for seat in seats:
        read = []
        with pytest.raises(BadGateway):
            read.extend(seat)
        assert len(b"".join(read)) < len(BODY)
    assert landed == []


def test_a_fetch_that_fails_is_told_to_all_riders(flights, landed):
    """Its own problem, each rider a copy."""

    def fetch():
        gevent.sleep(0)
        raise NotFound("no", of="a")

    seats = [flights.board("a", fetch, landed.append) for _ in range(2)]
    for seat in seats:
        with pytest.raises(NotFound) as refused:
            seat.arrival()
        assert refused.value.members == {"of": "a"}


def test_a_pilot_that_dies_leaves_nobody_waiting(flights, landed):
    """Killed in the middle, or broken by an error of ours."""
    chunks = Chunks()
    seat = board(flights, landed, chunks)
    assert seat.arrival().facts == FACTS
    seat._flight.pilot.kill()
    with pytest.raises(Problem):
        b"".join(seat)
    broken = flights.board("b", lambda: 1 / 0, landed.append)
    with pytest.raises(Problem):
        broken.arrival()


def test_there_are_only_so_many_flights(flights, landed):
    """The third key is told to come again; the first two have room for more riders."""
    chunks = [Chunks(), Chunks()]
    seats = [board(flights, landed, each, key) for key, each in zip("ab", chunks, strict=True)]
    with pytest.raises(Unavailable):
        board(flights, landed, Chunks(), "c")
    assert board(flights, landed, None, "a").collapsed
    for each in chunks:
        each.go.set()
    assert [b"".join(seat) for seat in seats] == [BODY, BODY]


def test_bytes_count_until_their_last_reader_has_left(landed):
    """A slow reader holds them in memory, so there is no room for others meanwhile."""
    flights = Flights(most=10, most_bytes=10)
    chunks = Chunks()
    chunks.go.set()
    slow = board(flights, landed, chunks, "a")
    slow.arrival()
    gevent.sleep(0)
    with pytest.raises(Unavailable):
        board(flights, landed, chunks, "b").arrival()
    slow.close()
    slow.close()
    assert b"".join(board(flights, landed, chunks, "c")) == BODY


def test_what_nobody_reads_and_nobody_keeps_is_not_fetched_to_its_end(flights, landed):
    """The connection to the objects is given up."""
    chunks = Chunks()
    seat = board(flights, landed, chunks, storable=False)
    seat.arrival()
    seat.close()
    gevent.sleep(0.01)
    assert (chunks.closed, landed) == (True, [])
    assert not board(flights, landed, None).collapsed


@pytest.mark.parametrize("riders", [1, 3])
def test_who_comes_when_the_last_reader_has_just_left_gets_a_flight_of_their_own(flights, landed, riders):
    """Not a seat in the one that is being given up, whose end takes nothing from the new one."""
    old, new = Chunks(), Chunks()
    seats = [board(flights, landed, old, storable=False) for _ in range(riders)]
    seats[0].arrival()
    for seat in seats:
        seat.close()
    late = [board(flights, landed, new, storable=False) for _ in range(2)]
    assert [seat.collapsed for seat in late] == [False, True]
    late[0].arrival()
    assert old.closed
    new.go.set()
    assert [b"".join(seat) for seat in late] == [BODY, BODY]


def test_a_flight_that_is_ended_from_outside_may_be_asked_for_again(flights, landed):
    """Nothing failed here, and nothing is said to be in the log."""
    seat = board(flights, landed, Chunks())
    seat.arrival()
    seat._flight.pilot.kill()
    with pytest.raises(Unavailable):
        b"".join(seat)


def test_what_may_be_kept_is_fetched_although_nobody_reads_it(flights, landed):
    """The next one will be glad."""
    chunks = Chunks()
    seat = board(flights, landed, chunks)
    seat.arrival()
    seat.close()
    chunks.go.set()
    gevent.sleep(0.01)
    assert landed == [BODY]


def test_word_that_nothing_changed_is_an_arrival_too(flights, landed):
    """Nothing lands."""
    seat = board(flights, landed, None)
    assert seat.arrival().chunks is None
    assert (list(seat), landed) == ([], [])
