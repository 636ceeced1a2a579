"""What a process of a region asks other regions' origins: within a deadline, behind a bulkhead, in our node's name.

On threads. What serves a user's request goes through `start`, in a thread of this client, so that who waits can
leave at its deadline. Loops that ask every second `poll`, on a thread of their own. Both threads are free again soon
after the deadline, whatever the other region sends: see `whole_answers`.

A poll that is answered by a region that is refused also sends the probe, in no request's place: where nobody has
anything to ask, a region that is back would otherwise be called silent for good.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import urllib3

from regions import node_tokens, whole_answers
from regions.breaker import BreakerLimits
from regions.bulkheads import AdmittedCall, BulkheadLimits, Bulkheads
from regions.clock import now_ms
from regions.errors import BadGateway, Problem, Unavailable
from regions.node_tokens import Call, NodeSigner
from regions.request_target import request_target

_CONNECT_S = 1.0
_CHUNK_BYTES = 64 * 1024
# A region's number has 6 bits, and there are a few witnesses. One connection pool less than there are origins, and each
# poll opens a new connection.
_MAX_ORIGINS = 100
# Of an origin's 16 threads, those that may wait for one region. The others wait for a moment if all are busy.
_AT_ONCE = 6
# Silence is shorter than the deadline of any request, so that the first one that runs into it opens the breaker. A poll
# finds out within seconds that a region answers again, so no user's request need be the probe: a long pause costs none.
_BREAKER = BreakerLimits(waiting=3, silent_s=1.0, first_open_s=30.0, max_open_s=30.0)
LIMITS = BulkheadLimits(_AT_ONCE, queued=10, queue_s=0.25, breaker=_BREAKER)
_THREADS = 64
_LATELY_MS = 60_000


@dataclass(frozen=True, slots=True)
class RegionRequest:
    """To the region (or witness) `name`, whose origin is at the URL `origin`. A body is JSON."""

    name: str
    origin: str
    method: str
    path: str
    body: bytes = b""
    max_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class RegionReply:
    status: int
    body: bytes


class RegionClient:
    """Asks as the node of `signer`. `clock_s` is monotonic, and `clock_ms` the Unix time."""

    def __init__(
        self,
        signer: NodeSigner,
        limits: BulkheadLimits = LIMITS,
        clock_s: Callable[[], float] = time.monotonic,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._clock_ms = clock_ms
        self._signer, self._http = signer, whole_answers.pool_manager(_MAX_ORIGINS, _AT_ONCE)
        self._bulkheads = Bulkheads(limits, clock_s)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="to other regions")

    def start(self, wanted: RegionRequest, within_s: float) -> "Future[RegionReply]":
        """The future raises Unavailable, at once while the region does not answer; BadGateway for too long a reply.

        Wait for it no longer than `within_s`: what it asks may have to wait for others before.
        """
        return self._threads.submit(lambda: self._sent(self._bulkheads.of(wanted.name).enter(), wanted, within_s))

    def poll(self, wanted: RegionRequest, within_s: float) -> RegionReply:
        """For a loop. Raises as `start`, but is never refused. With a probe it takes up to twice as long."""
        bulkhead = self._bulkheads.of(wanted.name)
        reply = self._sent(bulkhead.poll(), wanted, within_s)
        if bulkhead.refuses:
            with suppress(Problem):
                self._sent(bulkhead.enter(), _probe(wanted, self._clock_ms()), within_s)
        return reply

    def refused(self) -> list[str]:
        """The regions that do not answer at the moment."""
        return self._bulkheads.refused()

    def answered_s(self, name: str) -> float:
        """How long ago the region answered something that was not a poll."""
        return self._bulkheads.of(name).answered_s()

    def silent_s(self, name: str) -> float | None:
        """For how long the region has not answered; None if it is not refused."""
        return self._bulkheads.of(name).silent_s()

    def close(self) -> None:
        """Waits for nothing: what is under way ends by its deadline. Idempotent."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    def _sent(self, call: AdmittedCall, wanted: RegionRequest, within_s: float) -> RegionReply:
        with call:
            try:
                response = self._http.request(
                    wanted.method,
                    wanted.origin + wanted.path,
                    body=wanted.body or None,
                    headers=self._headers(wanted),
                    timeout=urllib3.Timeout(connect=_CONNECT_S, total=within_s),
                    preload_content=False,
                )
                try:
                    return RegionReply(response.status, self._read(response, wanted))
                finally:
                    # If part of it is unread, the connection is closed. Otherwise it is back in the pool already.
                    response.close()
            except urllib3.exceptions.HTTPError as error:
                raise Unavailable(f"{wanted.name} did not answer: {type(error).__name__}") from error

    def _headers(self, wanted: RegionRequest) -> dict[str, str]:
        target = request_target(wanted.origin + wanted.path)
        token = self._signer.token(Call(wanted.name, wanted.method, target, wanted.body))
        return {node_tokens.HEADER: token, **({"Content-Type": "application/json"} if wanted.body else {})}

    def _read(self, response: urllib3.BaseHTTPResponse, wanted: RegionRequest) -> bytes:
        data = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            data += chunk
            if len(data) > wanted.max_bytes:
                raise BadGateway(f"{wanted.name} sent more than {wanted.max_bytes} bytes")
        return bytes(data)


def _probe(polled: RegionRequest, at_ms: int) -> RegionRequest:
    """Asks who was polled for what its catalog has to read, and changes nothing. A refusal is an answer too."""
    body = json.dumps({"after_ms": at_ms - _LATELY_MS}).encode()
    return RegionRequest(polled.name, polled.origin, "POST", "/border/v1/ended-sessions", body)
