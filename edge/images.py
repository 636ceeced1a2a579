"""`GET /p/{photo}/{name}`: from the cache if the copy may be served, else from a flight (request collapsing).

The statement and the tombstones take precedence over cached bytes. When neither the cache's grant nor an upstream can
confirm what an image is, it is not served. It is cached only if the statement allows this edge to. Where a class has
rules that bind it to places, clients get `private`: a cache that is not ours could lie anywhere.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from edge import cache_status, responses
from edge.cache import Cache
from edge.cache_status import Outcome
from edge.flights import FetchResult, FlightReader, Flights, copy_of
from edge.freshness import Ages, Freshness, evaluate, max_age_s
from edge.grant_cache import GrantCache
from edge.grants import GRANT_HEADER, Grant, Key, to_header
from edge.permissions import Permission, Permissions
from edge.responses import Headers, Request, Response
from edge.tombstones import KnownTombstones
from regions import byte_ranges
from regions.errors import BadGateway, NotFound, RangeNotSatisfiable, ResidencyDenied, Unavailable

_ATTEMPTS = 2
# A request for which there is a copy does not need the upstream, and so waits no longer than this for it.
_CONFIRMATION_S = 1.0


class Upstream(Protocol):
    def fetch(self, wanted: "ImageRequest", sha256: str | None) -> FetchResult:
        """The image for the place that asks, or a result without chunks if `sha256` is still current."""
        ...


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """`place` is the edge that will serve the image: this edge or another. `home` is the photo's home region.

    `token` is that other edge's, for the grant: only this edge, as the shield, may show it to the origin.
    """

    key: Key
    place: str
    home: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class FoundImage:
    grant: Grant
    permission: Permission
    chunks: Iterable[bytes]
    size_bytes: int
    outcome: Outcome


class Images:
    """For the edge called `name`. `upstreams` is by home region; `clock_s` must be monotonic."""

    def __init__(
        self,
        name: str,
        upstreams: Mapping[str, Upstream],
        cache: Cache,
        grant_cache: GrantCache,
        permissions: Permissions,
        tombstones: KnownTombstones,
        flights: Flights,
        clock_s: Callable[[], float],
    ) -> None:
        self._name, self._upstreams, self._permissions, self._clock_s = name, upstreams, permissions, clock_s
        self._cache, self._grant_cache, self._tombstones, self._flights = cache, grant_cache, tombstones, flights

    def respond(self, request: Request, image_request: ImageRequest) -> Response:
        """Raises NotFound, ResidencyDenied (451), Unavailable, BadGateway."""
        found = self._find(image_request)
        try:
            # The disk or the upstream took time, and the photo's tombstone may have come meanwhile.
            self._tombstones.require_not_deleted(image_request.key.photo_id)
            return self._to_response(request, image_request, found)
        except BaseException:
            _close(found.chunks)
            raise

    def renew(self, image_request: ImageRequest) -> None:
        """Asks the upstream about our copy. Replaces it if it is out of date; drops it if it may not be cached here.

        Raises as `respond`.
        """
        _close(self._fetch(image_request).chunks)

    def _find(self, image_request: ImageRequest) -> FoundImage:
        key, place = image_request.key, image_request.place
        self._tombstones.require_not_deleted(key.photo_id)
        if refusal := self._grant_cache.refusal(key, place):
            raise copy_of(refusal)
        grant = self._grant_cache.get(key)
        if grant is not None:
            self._permissions.of(grant, place).require_serve()
        freshness = evaluate(self._ages(image_request, grant))
        if freshness is Freshness.FRESH and (found := self._cached(image_request, grant, Outcome())):
            return found
        has_copy = freshness is Freshness.STALE and grant and self._cache.stored_sha256(key) == grant.sha256
        try:
            return self._fetch(image_request, _CONFIRMATION_S if has_copy else None)
        except (Unavailable, BadGateway):
            found = self._cached(image_request, grant, Outcome(detail="stale-if-error"))
            if freshness is not Freshness.STALE or found is None:
                raise
            return found

    def _cached(self, image_request: ImageRequest, grant: Grant | None, outcome: Outcome) -> FoundImage | None:
        """Our copy, if it may still be here."""
        if grant is None or not self._permissions.of(grant, self._name).cache.allowed:
            return None
        body = self._cache.get(image_request.key, grant.sha256)
        if body is None:
            return None
        # Reading the disk took time, so this is decided now.
        permission = self._permissions.of(grant, image_request.place)
        permission.require_serve()
        return FoundImage(grant, permission, (body,), len(body), outcome)

    def _fetch(self, image_request: ImageRequest, within_s: float | None = None) -> FoundImage:
        """From the upstream, or from the cache if the upstream confirms the copy. Raises Unavailable if the upstream
        does not respond within this time; its response is still used for the cache.

        The cache is read twice.

        1. Before joining a flight: the hash of the copy that is here. The copy may be stale, or another flight may have
           stored it a moment ago. If the upstream confirms the hash (304), no bytes are transferred. No other greenlet
           runs between this and `join`, so no image is missed: it is in the cache now, or its flight can be joined.
        2. After the upstream has confirmed the hash: the bytes. If they have been evicted meanwhile or are damaged, the
           image is fetched without a condition.
        """
        key = image_request.key
        sha256 = self._cache.stored_sha256(key)
        reason = "stale" if sha256 else "uri-miss"
        for _ in range(_ATTEMPTS):
            reader, result = self._join(image_request, sha256, within_s)
            unchanged = result.chunks is None
            stored = result.storable and not unchanged
            outcome = Outcome(reason, unchanged, stored, reader.collapsed, upstream_status=result.upstream_status)
            if not unchanged:
                self._drop_unless(result.storable, key)
                permission = self._permissions.of(result.grant, image_request.place)
                return FoundImage(result.grant, permission, reader, result.size_bytes, outcome)
            reader.close()
            found = self._cached(image_request, result.grant, outcome)
            self._drop_unless(result.storable, key)
            if found:
                return found
            sha256 = None
        raise BadGateway("the upstream confirmed a copy that is not cached here")

    def _join(
        self, image_request: ImageRequest, sha256: str | None, within_s: float | None
    ) -> tuple[FlightReader, FetchResult]:
        """A reader of a flight that has its result. Raises the Problem with which the fetch failed.

        The hash is a part of the flight's key: a 304 to a reader that has the copy is of no use to one that has not.
        """
        key, place = image_request.key, image_request.place
        upstream = self._upstreams[image_request.home]
        reader = self._flights.join(
            image_request.home,
            (key, place, sha256),
            lambda: upstream.fetch(image_request, sha256),
            lambda result, body: self._store(key, result, body),
        )
        try:
            return reader, reader.result(within_s)
        except (NotFound, ResidencyDenied) as refusal:
            reader.close()
            self._grant_cache.put_refusal(key, place, refusal)
            if isinstance(refusal, NotFound):
                self._grant_cache.forget(key)
            # If the policy denies the image to another edge, this edge may still be allowed to have it.
            self._drop_unless(isinstance(refusal, ResidencyDenied) and place != self._name, key)
            raise
        except BaseException:
            reader.close()
            raise

    def _drop_unless(self, allowed: bool, key: Key) -> None:
        if not allowed:
            self._cache.drop(key)

    def _store(self, key: Key, result: FetchResult, body: bytes) -> None:
        """Caches a fetched image, unless a tombstone or a newer grant forbids it.

        The permission is checked before and after `put`, because `put` writes to the disk and other greenlets run
        meanwhile. A tombstone is recorded first and purges the cache then. If it is recorded before the second check,
        that check finds it and drops the copy. If it is recorded later, its purge finds the copy. In both orders
        nothing stays. The same is true for a grant that is replaced during `put`.
        """
        if result.storable and self._may_cache(key):
            self._cache.put(key, result.grant.sha256, body)
            self._drop_unless(self._may_cache(key), key)

    def _may_cache(self, key: Key) -> bool:
        grant = self._grant_cache.get(key)
        if grant is None or key.photo_id in self._tombstones:
            return False
        return grant.sender_caches and self._permissions.of(grant, self._name).cache.allowed

    def _ages(self, image_request: ImageRequest, grant: Grant | None) -> Ages:
        grant_age_s = self._clock_s() - grant.at_s if grant else math.inf
        return Ages(grant_age_s, self._tombstones.tombstones_age_s(image_request.home))

    def _to_response(self, request: Request, image_request: ImageRequest, found: FoundImage) -> Response:
        grant, size_bytes = found.grant, found.size_bytes
        headers = self._headers(image_request, found)
        if byte_ranges.matches(request.header("if-none-match"), grant.etag):
            _close(found.chunks)
            return responses.not_modified(*headers)
        headers = [("Content-Type", image_request.key.content_type), ("Repr-Digest", grant.digest), *headers]
        # RFC 9110 section 14.2 defines Range for GET only.
        requested = request.header("range") if request.head.method == "GET" else ""
        try:
            span = byte_ranges.span(requested, request.header("if-range") or None, grant.etag, size_bytes)
        except RangeNotSatisfiable as problem:
            _close(found.chunks)
            return responses.from_problem(problem, ("Content-Range", f"bytes */{size_bytes}"))
        if span is None:
            return Response(200, headers, found.chunks, size_bytes)
        headers.append(("Content-Range", span.content_range))
        return Response(206, headers, _RangeBody(found.chunks, span), len(span))

    def _headers(self, image_request: ImageRequest, found: FoundImage) -> Headers:
        grant = found.grant
        ages = self._ages(image_request, grant)
        who = "public" if found.permission.public else "private"
        cacheable = f"{who}, max-age={max_age_s(ages)}, immutable"
        headers = [
            ("ETag", grant.etag),
            ("Age", str(int(ages.grant_age_s))),
            ("Cache-Control", cacheable if found.permission.cache.allowed else "no-store"),
            ("Cache-Status", cache_status.to_header(self._name, found.outcome)),
            ("Accept-Ranges", "bytes"),
            *responses.COMMON,
        ]
        if image_request.place != self._name:
            headers.append((GRANT_HEADER, to_header(grant, found.permission.cache.allowed)))
        return headers


class _RangeBody:
    """The bytes of one range. Closing it closes the chunks."""

    def __init__(self, chunks: Iterable[bytes], span: byte_ranges.Span) -> None:
        self._chunks, self._span = chunks, span

    def __iter__(self) -> Iterator[bytes]:
        return byte_ranges.slice_chunks(self._chunks, self._span)

    def close(self) -> None:
        _close(self._chunks)


def _close(chunks: Iterable[bytes]) -> None:
    if isinstance(chunks, FlightReader):
        chunks.close()
