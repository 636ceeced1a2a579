"""One fetch for many readers, and every way in which it can end."""

import hashlib

import gevent
import pytest
from gevent.event import Event

from edge.flights import FetchResult, Flights
from edge.grants import Grant
from regions.errors import BadGateway, NotFound, Problem, Unavailable

BODY = b"0123456789"
HOME = "eu-west"
GRANT = Grant(hashlib.sha256(BODY).hexdigest(), "eu", "eu-west", 0.0)


class Chunks:
    """A body that pauses after its first half until `proceed` is set, and records that it was closed."""

    def __init__(self, body: bytes = BODY) -> None:
        self.body, self.proceed, self.closed = body, Event(), False

    def __iter__(self):
        yield self.body[:5]
        self.proceed.wait()
        yield self.body[5:]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def flights():
    return Flights([HOME], max_flights=2, max_bytes=20)


@pytest.fixture
def completed():
    """The bodies that were passed to `on_complete`."""
    return []


def join(flights, completed, chunks, key="a", storable=True, home=HOME):
    result = FetchResult(GRANT, len(BODY), chunks, storable)
    return flights.join(home, key, lambda: result, lambda result, body: completed.append(body))


def test_readers_get_the_same_bytes_from_one_fetch(flights, completed):
    """A reader that joins late gets them too, from the first byte."""
    chunks = Chunks()
    early = join(flights, completed, chunks)
    assert next(iter(early)) == b"01234"
    late = join(flights, completed, None)
    chunks.proceed.set()
    assert b"".join(early) == b"".join(late) == BODY
    assert (early.collapsed, late.collapsed, completed, chunks.closed) == (False, True, [BODY], True)


@pytest.mark.parametrize("body", [BODY[:9], BODY + b"x", b"01234xxxxx", b""])
def test_a_body_that_was_not_promised_never_looks_complete(flights, completed, body):
    """Short, long, or other bytes: every reader gets an error before the end, and the body is not completed."""
    chunks = Chunks(body)
    chunks.proceed.set()
    readers = [join(flights, completed, chunks) for _ in range(3)]
    for reader in readers:
        received = []
        with pytest.raises(BadGateway):
            received.extend(reader)
        assert len(b"".join(received)) < len(BODY)
    assert completed == []


def test_a_failed_fetch_is_raised_to_all_readers(flights, completed):
    """Each gets a copy of the fetch's own problem."""

    def fetch():
        gevent.sleep(0)
        raise NotFound("no", of="a")

    readers = [flights.join(HOME, "a", fetch, completed.append) for _ in range(2)]
    for reader in readers:
        with pytest.raises(NotFound) as refused:
            reader.result()
        assert refused.value.members == {"of": "a"}


def test_a_greenlet_that_dies_leaves_no_reader_waiting(flights, completed):
    """Killed in the middle, or ended by an unexpected error."""
    chunks = Chunks()
    reader = join(flights, completed, chunks)
    assert reader.result().grant == GRANT
    reader._flight.greenlet.kill()
    with pytest.raises(Problem):
        b"".join(reader)
    broken = flights.join(HOME, "b", lambda: 1 / 0, completed.append)
    with pytest.raises(Problem):
        broken.result()


def test_the_number_of_flights_is_bounded(flights, completed):
    """A third key is refused with Unavailable; more readers can join the first two flights."""
    chunks = [Chunks(), Chunks()]
    readers = [join(flights, completed, each, key) for key, each in zip("ab", chunks, strict=True)]
    with pytest.raises(Unavailable):
        join(flights, completed, Chunks(), "c")
    assert join(flights, completed, None, "a").collapsed
    for each in chunks:
        each.proceed.set()
    assert [b"".join(reader) for reader in readers] == [BODY, BODY]


def test_each_home_has_a_share_of_the_flights_and_of_their_bytes(completed):
    """A stalled one takes its own share and what is for who comes first; the other's is left."""
    flights = Flights(["eu-west", "us-central"], max_flights=8, max_bytes=len(BODY) * 4)
    stalled = [Chunks() for _ in range(6)]
    readers = [
        flights.join(
            "us-central", number, lambda chunks=chunks: FetchResult(GRANT, len(BODY), chunks), completed.append
        )
        for number, chunks in enumerate(stalled)
    ]
    with pytest.raises(Unavailable):
        join(flights, completed, Chunks(), "a", home="us-central")
    assert [reader.result().grant for reader in readers[:3]] == [GRANT] * 3
    with pytest.raises(Unavailable):
        readers[3].result()
    ready = Chunks()
    ready.proceed.set()
    assert b"".join(join(flights, completed, ready, "b")) == BODY


def test_a_reader_may_leave_when_the_result_takes_too_long(flights, completed):
    """The flight goes on for the others."""
    answers = Event()

    def fetch():
        answers.wait()
        return FetchResult(GRANT, 0, None)

    impatient, patient = (flights.join(HOME, "a", fetch, completed.append) for _ in range(2))
    with pytest.raises(Unavailable):
        impatient.result(within_s=0.01)
    impatient.close()
    answers.set()
    assert patient.result().grant == GRANT


def test_bytes_count_until_their_last_reader_has_left(completed):
    """A slow reader keeps them in memory, so there is no room for another flight meanwhile."""
    flights = Flights([HOME], max_flights=10, max_bytes=10)
    chunks = Chunks()
    chunks.proceed.set()
    slow = join(flights, completed, chunks, "a")
    slow.result()
    gevent.sleep(0)
    with pytest.raises(Unavailable):
        join(flights, completed, chunks, "b").result()
    slow.close()
    slow.close()
    assert b"".join(join(flights, completed, chunks, "c")) == BODY


def test_a_fetch_without_readers_that_may_not_be_cached_is_cancelled(flights, completed):
    """The connection to the object store is closed."""
    chunks = Chunks()
    reader = join(flights, completed, chunks, storable=False)
    reader.result()
    reader.close()
    gevent.sleep(0.01)
    assert (chunks.closed, completed) == (True, [])
    assert not join(flights, completed, None).collapsed


@pytest.mark.parametrize("readers_before", [1, 3])
def test_a_reader_that_joins_just_after_the_last_one_left_gets_a_new_flight(flights, completed, readers_before):
    """It does not join the flight that is being cancelled, and the end of that flight does not affect the new one."""
    old, new = Chunks(), Chunks()
    readers = [join(flights, completed, old, storable=False) for _ in range(readers_before)]
    readers[0].result()
    for reader in readers:
        reader.close()
    late = [join(flights, completed, new, storable=False) for _ in range(2)]
    assert [reader.collapsed for reader in late] == [False, True]
    late[0].result()
    assert old.closed
    new.proceed.set()
    assert [b"".join(reader) for reader in late] == [BODY, BODY]


def test_a_cancelled_fetch_may_be_retried(flights, completed):
    """It raises Unavailable: nothing failed here, and nothing was logged."""
    reader = join(flights, completed, Chunks())
    reader.result()
    reader._flight.greenlet.kill()
    with pytest.raises(Unavailable):
        b"".join(reader)


def test_an_image_that_may_be_cached_is_fetched_even_without_readers(flights, completed):
    """The next request will need it."""
    chunks = Chunks()
    reader = join(flights, completed, chunks)
    reader.result()
    reader.close()
    chunks.proceed.set()
    gevent.sleep(0.01)
    assert completed == [BODY]


def test_an_unchanged_image_is_a_result_without_chunks(flights, completed):
    """`on_complete` is not called."""
    reader = join(flights, completed, None)
    assert reader.result().chunks is None
    assert (list(reader), completed) == ([], [])
