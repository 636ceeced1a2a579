"""`GET /p/{photo}/{size}.jpg`: from the cache where that may be shown, else from a flight; kept only where it may lie.

Whatever the policy or a tombstone says wins over what lies here, and where nobody can say, nothing is shown.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from edge import cache_status, responses
from edge.cache import Cache
from edge.cache_status import Outcome
from edge.flights import Arrival, FlightReader, Flights, copy_of
from edge.freshness import Ages, Freshness, evaluate, max_age_s
from edge.grant_cache import GrantCache
from edge.grants import GRANT_FIELD, ImageMeta, Key, to_field
from edge.responses import Fields, Request, Response
from edge.tombstones import KnownTombstones
from regions import byte_ranges
from regions.errors import BadGateway, NotFound, RangeNotSatisfiable, ResidencyDenied, Unavailable

_TRIES = 2


class Upstream(Protocol):
    def fetch(self, key: Key, place: str, sha256: str | None) -> Arrival:
        """The image for `place`, or an arrival without chunks where `sha256` is still right."""
        ...


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """Who asks from where (an edge, or ourselves) for what, and where that is at home."""

    key: Key
    place: str
    home: str


@dataclass(frozen=True, slots=True)
class FoundImage:
    facts: ImageMeta
    chunks: Iterable[bytes]
    size_bytes: int
    outcome: Outcome


class Images:
    """`name` is this edge's; `upstreams` says by home region where images come from; `clock_s` never goes back."""

    def __init__(
        self,
        name: str,
        upstreams: Mapping[str, Upstream],
        cache: Cache,
        known: GrantCache,
        tombstones: KnownTombstones,
        flights: Flights,
        clock_s: Callable[[], float],
    ) -> None:
        self._name, self._upstreams, self._clock_s = name, upstreams, clock_s
        self._cache, self._known, self._tombstones, self._flights = cache, known, tombstones, flights

    def answer(self, request: Request, asked: ImageRequest) -> Response:
        """Raises NotFound, ResidencyDenied (451), Unavailable, BadGateway."""
        found = self._find(asked)
        try:
            # It may have been buried while we waited.
            self._tombstones.refuse(asked.key.photo_id)
            return self._answer(request, asked, found)
        except BaseException:
            _close(found.chunks)
            raise

    def renew(self, asked: ImageRequest) -> None:
        """Asks anew whether our copy is right and may lie here, and drops it where not. Raises as `answer`."""
        _close(self._fetch(asked).chunks)

    def _find(self, asked: ImageRequest) -> FoundImage:
        self._tombstones.refuse(asked.key.photo_id)
        if refusal := self._known.refusal(asked.key, asked.place):
            raise copy_of(refusal)
        facts = self._known.facts(asked.key, asked.place)
        freshness = evaluate(self._ages(asked, facts))
        if freshness is Freshness.FRESH and (found := self._hit(asked.key, facts, Outcome())):
            return found
        try:
            return self._fetch(asked)
        except (Unavailable, BadGateway):
            found = self._hit(asked.key, facts, Outcome(detail="stale-if-error"))
            if freshness is not Freshness.STALE or found is None:
                raise
            return found

    def _hit(self, key: Key, facts: ImageMeta | None, outcome: Outcome) -> FoundImage | None:
        body = self._cache.get(key, facts.sha256) if facts else None
        return FoundImage(facts, (body,), len(body), outcome) if facts and body else None

    def _fetch(self, asked: ImageRequest) -> FoundImage:
        sha256 = self._cache.known(asked.key)
        reason = "stale" if sha256 else "uri-miss"
        for _ in range(_TRIES):
            seat, arrival = self._board(asked, sha256)
            stored = arrival.storable and arrival.chunks is not None
            outcome = Outcome(reason, arrival.chunks is None, stored, seat.collapsed, behind=arrival.behind)
            if arrival.chunks is not None:
                self._drop_unless(arrival.storable, asked.key)
                return FoundImage(arrival.facts, seat, arrival.size_bytes, outcome)
            seat.close()
            found = self._hit(asked.key, arrival.facts, outcome)
            self._drop_unless(arrival.storable, asked.key)
            if found:
                return found
            # What was right is not here any more: evicted, or not what its name says.
            sha256 = None
        raise BadGateway("the image did not come")

    def _board(self, asked: ImageRequest, sha256: str | None) -> tuple[FlightReader, Arrival]:
        """A seat in a flight that has arrived. Raises what the fetch ended in."""
        upstream = self._upstreams[asked.home]
        seat = self._flights.board(
            (asked.key, asked.place, sha256),
            lambda: upstream.fetch(asked.key, asked.place, sha256),
            lambda arrival, body: self._land(asked.key, arrival, body),
        )
        try:
            return seat, seat.arrival()
        except (NotFound, ResidencyDenied) as refusal:
            seat.close()
            self._known.refuse(asked.key, asked.place, refusal)
            # What another place may not have, we may still.
            self._drop_unless(isinstance(refusal, ResidencyDenied) and asked.place != self._name, asked.key)
            raise
        except BaseException:
            seat.close()
            raise

    def _drop_unless(self, allowed: bool, key: Key) -> None:
        if not allowed:
            self._cache.drop(key)

    def _land(self, key: Key, arrival: Arrival, body: bytes) -> None:
        """Looks for a tombstone or a newer grant before and after: whichever comes second sees the first."""
        if arrival.storable and self._may_lie_here(key):
            self._cache.put(key, arrival.facts.sha256, body)
            self._drop_unless(self._may_lie_here(key), key)

    def _may_lie_here(self, key: Key) -> bool:
        facts = self._known.facts(key, self._name)
        return facts is not None and facts.grant.cache and key.photo_id not in self._tombstones

    def _ages(self, asked: ImageRequest, facts: ImageMeta | None) -> Ages:
        grant_s = self._clock_s() - facts.at_s if facts else math.inf
        return Ages(grant_s, self._tombstones.tombstone_age_s(asked.home))

    def _answer(self, request: Request, asked: ImageRequest, found: FoundImage) -> Response:
        facts, size_bytes = found.facts, found.size_bytes
        fields = self._fields(asked, found)
        if byte_ranges.matches(request.field("if-none-match"), facts.etag):
            _close(found.chunks)
            return responses.not_modified(*fields)
        fields = [("Content-Type", "image/jpeg"), ("Repr-Digest", facts.digest), *fields]
        try:
            span = byte_ranges.span(request.field("range"), request.field("if-range") or None, facts.etag, size_bytes)
        except RangeNotSatisfiable as problem:
            _close(found.chunks)
            return responses.of_problem(problem, ("Content-Range", f"bytes */{size_bytes}"))
        if span is None:
            return Response(200, fields, found.chunks, size_bytes)
        fields.append(("Content-Range", span.content_range))
        return Response(206, fields, _RangeBody(found.chunks, span), len(span))

    def _fields(self, asked: ImageRequest, found: FoundImage) -> Fields:
        facts = found.facts
        ages = self._ages(asked, facts)
        kept = f"public, max-age={max_age_s(ages)}, immutable" if facts.grant.cache else "no-store"
        fields = [
            ("ETag", facts.etag),
            ("Age", str(int(ages.grant_s))),
            ("Cache-Control", kept),
            ("Cache-Status", cache_status.to_field(self._name, found.outcome)),
            ("Accept-Ranges", "bytes"),
            *responses.COMMON,
        ]
        if asked.place != self._name:
            fields.append((GRANT_FIELD, to_field(facts.grant)))
        return fields


class _RangeBody:
    """A span of the chunks, which are closed with it."""

    def __init__(self, chunks: Iterable[bytes], span: byte_ranges.Span) -> None:
        self._chunks, self._span = chunks, span

    def __iter__(self) -> Iterator[bytes]:
        return byte_ranges.cut(self._chunks, self._span)

    def close(self) -> None:
        _close(self._chunks)


def _close(chunks: Iterable[bytes]) -> None:
    if isinstance(chunks, FlightReader):
        chunks.close()
