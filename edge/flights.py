"""Flights: one fetch for any number of simultaneous requests, handed to all of them while it arrives.

A flight has a greenlet of its own, so a rider who leaves disturbs nobody; and whatever ends that greenlet ends the
flight, so no rider waits for ever. The last piece is handed out only when the whole has the right SHA-256: a body that
is short or wrong never looks complete to anybody, and never lands in the cache.
"""

import hashlib
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import gevent
from gevent.event import Event

from edge.grants import ImageMeta
from regions.errors import BadGateway, Problem, Unavailable

log = logging.getLogger(__name__)

_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a fetch found: `size_bytes` of `chunks`, or None where what lies here already is still right.

    `storable` says that it may lie at this edge; `behind` is the Cache-Status of the cache that was asked.
    """

    facts: ImageMeta
    size_bytes: int
    chunks: Iterable[bytes] | None
    storable: bool = False
    behind: str = ""


Fetch = Callable[[], Arrival]
OnComplete = Callable[[Arrival, bytes], None]


class FlightReader:
    """A rider's place in a flight: first `arrival`, then the chunks. Close it, whether they were read or not."""

    def __init__(self, flight: "_Flight", collapsed: bool) -> None:
        self._flight: _Flight | None = flight
        self._chunks = flight.chunks
        self.collapsed = collapsed
        flight.riders += 1

    def arrival(self) -> Arrival:
        """Waits for it. Raises the Problem that the fetch ended in."""
        assert self._flight is not None
        return self._flight.wait_arrival()

    def __iter__(self) -> Iterator[bytes]:
        """Raises a Problem where the flight ends before its last byte."""
        assert self._flight is not None
        return self._flight.read()

    def close(self) -> None:
        """Idempotent."""
        if self._flight is not None:
            flight, self._flight = self._flight, None
            flight.leave()


class Flights:
    """At most `most` flights at once, and `most_bytes` in all that are under way or still being read."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._under_way: dict[Hashable, _Flight] = {}
        self._bytes = 0

    def board(self, key: Hashable, fetch: Fetch, land: OnComplete) -> FlightReader:
        """A seat in the flight for this key, which starts if there is none. Raises Unavailable when there are too many.

        `land` gets the whole body, verified, once all riders can read it to its end.
        """
        flight = self._under_way.get(key)
        if flight is not None:
            return FlightReader(flight, collapsed=True)
        if len(self._under_way) >= self._most:
            raise Unavailable("this edge is fetching as much as it can")
        flight = self._under_way[key] = _Flight(self._reserve, partial(self._close, key))
        seat = FlightReader(flight, collapsed=False)
        flight.pilot = gevent.spawn(self._fly, key, flight, fetch, land)
        return seat

    def _fly(self, key: Hashable, flight: "_Flight", fetch: Fetch, land: OnComplete) -> None:
        try:
            with gevent.Timeout(_DEADLINE_S, BadGateway("the image took too long to come")):
                arrival = fetch()
                body = flight.carry(arrival)
            flight.end(None)
            if body is not None:
                land(arrival, body)
        except Problem as problem:
            flight.end(problem)
        except gevent.GreenletExit:
            flight.end(Unavailable("the image is no longer being fetched"))
        except Exception:  # whatever went wrong, the riders must hear of it
            log.exception("a flight failed")
        finally:
            flight.end(Problem("an error of ours; it has been logged"))
            self._close(key, flight)

    def _close(self, key: Hashable, flight: "_Flight") -> None:
        """Nobody boards it any more. Idempotent: another may be under way for the key by then."""
        if self._under_way.get(key) is flight:
            del self._under_way[key]

    def _reserve(self, size_bytes: int) -> None:
        """Negative gives back."""
        if size_bytes > 0 and self._bytes + size_bytes > self._most_bytes:
            raise Unavailable("this edge is fetching as much as it can")
        self._bytes += size_bytes


class _Flight:
    def __init__(self, reserve: Callable[[int], None], close: Callable[["_Flight"], None]) -> None:
        self._reserve, self._close, self._reserved_bytes = reserve, close, 0
        self._arrival: Arrival | None = None
        self._problem: Problem | None = None
        self._over = False
        self._moved = Event()
        self.chunks: list[bytes] = []
        self.riders = 0
        self.pilot: gevent.Greenlet | None = None

    def carry(self, arrival: Arrival) -> bytes | None:
        """Hands out the body as it comes, and gives it whole; None where there is none. Raises Problem."""
        if arrival.chunks is None:
            self._open(arrival)
            return None
        try:
            self._reserve(arrival.size_bytes)
            self._reserved_bytes = arrival.size_bytes
            self._open(arrival)
            for chunk in _verified(arrival.chunks, arrival):
                self.chunks.append(chunk)
                self._wake()
            return b"".join(self.chunks)
        finally:
            if hasattr(arrival.chunks, "close"):
                arrival.chunks.close()

    def end(self, problem: Problem | None) -> None:
        """The first end counts."""
        if not self._over:
            self._over, self._problem = True, problem
            self._wake()
            self._settle()

    def wait_arrival(self) -> Arrival:
        while self._arrival is None:
            if self._over:
                raise copy_of(self._problem or Problem("a flight ended without an arrival"))
            self._moved.wait()
        return self._arrival

    def read(self) -> Iterator[bytes]:
        at = 0
        while True:
            moved = self._moved
            while at < len(self.chunks):
                yield self.chunks[at]
                at += 1
            if self._over and at == len(self.chunks):
                if self._problem is not None:
                    raise copy_of(self._problem)
                return
            if at == len(self.chunks) and moved is self._moved:
                moved.wait()

    def leave(self) -> None:
        self.riders -= 1
        self._settle()
        self._give_up_if_alone()

    def _open(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, Event()
        moved.set()

    def _settle(self) -> None:
        if self._over and not self.riders:
            self._reserve(-self._reserved_bytes)
            self._reserved_bytes = 0

    def _give_up_if_alone(self) -> None:
        """Nobody reads it, and it would be forgotten: there is no sense in fetching the rest."""
        pointless = self._arrival is not None and not self._arrival.storable
        if pointless and not self._over and not self.riders and self.pilot is not None:
            # At once, since the pilot dies later, and whoever boards until then would die with it.
            self._close(self)
            self.pilot.kill(block=False)


def _verified(chunks: Iterable[bytes], promised: Arrival) -> Iterator[bytes]:
    """The chunks, the last of them only when all together are what the origin said."""
    digest, size_bytes, last = hashlib.sha256(), 0, b""
    for chunk in chunks:
        digest.update(chunk)
        size_bytes += len(chunk)
        if size_bytes > promised.size_bytes:
            break
        if size_bytes < promised.size_bytes:
            yield chunk
        else:
            last = chunk
    if size_bytes != promised.size_bytes or digest.hexdigest() != promised.facts.sha256:
        raise BadGateway("the image that came is not the one that was promised")
    yield last


def copy_of(problem: Problem) -> Problem:
    """A copy to raise: one exception raised again and again would gather all the tracebacks."""
    copy = type(problem).__new__(type(problem))
    copy.__dict__.update(problem.__dict__)
    copy.args = problem.args
    return copy
