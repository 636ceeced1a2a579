"""Request collapsing: simultaneous requests for one image share one fetch, called a flight here.

A flight is one greenlet that fetches a body, and any number of readers that get the bytes as they arrive.

* The greenlet belongs to the flight, not to the request that started it. So a client that disconnects disturbs no
  other reader. Whatever ends the greenlet ends the flight, so no reader waits forever.
* A reader that joins late still gets the whole body. The flight keeps every chunk from the first one until it has
  ended and its last reader has left, and each reader walks that list at its own pace. A flight can be joined until
  `on_complete` has returned, that is until the body is in the cache. So there is no moment in which the body is neither
  in a flight nor in the cache, and a request in between needs no second fetch.
* The last chunk is handed out only when the whole body has the promised length and SHA-256. So a short or wrong body
  never looks complete to a reader, and never reaches `on_complete`.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import gevent
from gevent.event import Event

from edge.grants import Grant
from edge.shares import Shares
from regions.errors import BadGateway, Problem, Unavailable

log = logging.getLogger(__name__)

_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What an upstream sends: `chunks` of `size_bytes` in all, or None if the bytes that are cached here are current.

    `storable` means that this edge may cache the bytes. `upstream_status` is the upstream's Cache-Status header.
    """

    grant: Grant
    size_bytes: int
    chunks: Iterable[bytes] | None
    storable: bool = False
    upstream_status: str = ""


Fetch = Callable[[], FetchResult]
OnComplete = Callable[[FetchResult, bytes], None]


class FlightReader:
    """One reader of a flight: first `result`, then iterate over the chunks. Must be closed, read or not.

    `collapsed` means that another reader had started the flight.
    """

    def __init__(self, flight: "_Flight", collapsed: bool) -> None:
        self._flight: _Flight | None = flight
        self.collapsed = collapsed
        flight.readers += 1

    def result(self, within_s: float | None = None) -> FetchResult:
        """Waits for it. Raises the Problem with which the fetch failed; Unavailable if it takes longer."""
        assert self._flight is not None
        with gevent.Timeout(within_s, Unavailable("the upstream takes too long")):
            return self._flight.wait_result()

    def __iter__(self) -> Iterator[bytes]:
        """Raises a Problem if the flight ends before its last byte."""
        assert self._flight is not None
        return self._flight.read()

    def close(self) -> None:
        """Idempotent."""
        if self._flight is not None:
            flight, self._flight = self._flight, None
            flight.leave()


class Flights:
    """At most `max_flights` at once, and `max_bytes` in all flights that have not ended or still have readers.

    Of both, each home region has a share (`shares`): one that is stalled leaves the others theirs.
    """

    def __init__(self, homes: Collection[str], max_flights: int, max_bytes: int) -> None:
        self._places, self._bytes = Shares(max_flights, homes), Shares(max_bytes, homes)
        self._flights: dict[Hashable, _Flight] = {}

    def join(self, home: str, key: Hashable, fetch: Fetch, on_complete: OnComplete) -> FlightReader:
        """Joins the flight for this key, or starts it. Does not wait. Raises Unavailable if there are too many.

        Only the reader that starts the flight has its `fetch` and `on_complete` called. `on_complete` gets the whole,
        verified body, at a time when all readers can read it to its end. What is fetched is of the region `home`.
        """
        flight = self._flights.get(key)
        if flight is not None:
            return FlightReader(flight, collapsed=True)
        if not self._places.take(home, 1):
            raise Unavailable(f"too many fetches from {home} are in progress")
        flight = self._flights[key] = _Flight(partial(self._reserve, home), partial(self._close, home, key))
        reader = FlightReader(flight, collapsed=False)
        flight.greenlet = gevent.spawn(self._run, flight, fetch, on_complete)
        return reader

    def _run(self, flight: "_Flight", fetch: Fetch, on_complete: OnComplete) -> None:
        try:
            with gevent.Timeout(_DEADLINE_S, BadGateway("the fetch of the image took too long")):
                result = fetch()
                body = flight.stream(result)
            # First the readers get the last chunk, then the body is stored: they don't wait for the disk.
            flight.end(None)
            if body is not None:
                on_complete(result, body)
        except Problem as problem:
            flight.end(problem)
        except gevent.GreenletExit:
            flight.end(Unavailable("the fetch of the image was cancelled"))
        except Exception:  # readers must be woken, whatever the error
            log.exception("a fetch failed")
        finally:
            # Only the first `end` counts. This one is for the errors that were logged above.
            flight.end(Problem("an internal error, which has been logged"))
            flight.close()

    def _close(self, home: str, key: Hashable, flight: "_Flight") -> None:
        """No more readers can join the flight. Does nothing if the key already has a newer flight."""
        if self._flights.get(key) is flight:
            del self._flights[key]
            self._places.give_back(home, 1)

    def _reserve(self, home: str, size_bytes: int) -> None:
        """A negative size releases."""
        if size_bytes < 0:
            self._bytes.give_back(home, -size_bytes)
        elif not self._bytes.take(home, size_bytes):
            raise Unavailable(f"too many bytes of {home} are being fetched")


class _Flight:
    """The state of one flight. `_progress` is replaced and set whenever a waiting reader has something to do."""

    def __init__(self, reserve: Callable[[int], None], close: Callable[["_Flight"], None]) -> None:
        self._reserve, self._close, self._reserved_bytes = reserve, close, 0
        self._result: FetchResult | None = None
        self._problem: Problem | None = None
        self._ended = False
        self._progress = Event()
        self.chunks: list[bytes] = []
        self.readers = 0
        self.greenlet: gevent.Greenlet | None = None

    def stream(self, result: FetchResult) -> bytes | None:
        """Hands out the body as it arrives, and returns it whole; None if there is no body. Raises Problem."""
        if result.chunks is None:
            self._publish_result(result)
            return None
        try:
            self._reserve(result.size_bytes)
            self._reserved_bytes = result.size_bytes
            self._publish_result(result)
            for chunk in _verified(result.chunks, result):
                self.chunks.append(chunk)
                self._wake_readers()
            return b"".join(self.chunks)
        finally:
            if hasattr(result.chunks, "close"):
                result.chunks.close()

    def end(self, problem: Problem | None) -> None:
        """The first call counts; later ones do nothing."""
        if not self._ended:
            self._ended, self._problem = True, problem
            self._wake_readers()
            self._release_if_done()

    def wait_result(self) -> FetchResult:
        while self._result is None:
            if self._ended:
                raise copy_of(self._problem or Problem("a flight ended without a result"))
            self._progress.wait()
        return self._result

    def read(self) -> Iterator[bytes]:
        position = 0
        while True:
            # Taken before the chunks are read: a chunk that arrives after that replaces `_progress`, and is noticed
            # below instead of being waited for.
            progress = self._progress
            while position < len(self.chunks):
                yield self.chunks[position]
                position += 1
            if self._ended and position == len(self.chunks):
                if self._problem is not None:
                    raise copy_of(self._problem)
                return
            if position == len(self.chunks) and progress is self._progress:
                progress.wait()

    def close(self) -> None:
        """No more readers can join."""
        self._close(self)

    def leave(self) -> None:
        self.readers -= 1
        self._release_if_done()
        self._cancel_if_pointless()

    def _publish_result(self, result: FetchResult) -> None:
        self._result = result
        self._wake_readers()

    def _wake_readers(self) -> None:
        progress, self._progress = self._progress, Event()
        progress.set()

    def _release_if_done(self) -> None:
        if self._ended and not self.readers:
            self._reserve(-self._reserved_bytes)
            self._reserved_bytes = 0

    def _cancel_if_pointless(self) -> None:
        """Stops the fetch if no reader is left and the edge may not cache the bytes either.

        The flight is closed here, before its greenlet is killed. The kill takes effect only at the next switch, and a
        reader that joined until then would fail with the flight.
        """
        pointless = self._result is not None and not self._result.storable
        if pointless and not self._ended and not self.readers and self.greenlet is not None:
            self.close()
            self.greenlet.kill(block=False)


def _verified(chunks: Iterable[bytes], promised: FetchResult) -> Iterator[bytes]:
    """The chunks. The last one is withheld until the whole has the promised length and hash. Raises BadGateway."""
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
    if size_bytes != promised.size_bytes or digest.hexdigest() != promised.grant.sha256:
        raise BadGateway("the image does not have the promised length and hash")
    yield last


def copy_of(problem: Problem) -> Problem:
    """A copy to raise. One exception object that is raised many times would collect a traceback per raise."""
    copy = type(problem).__new__(type(problem))
    copy.__dict__.update(problem.__dict__)
    copy.args = problem.args
    return copy
