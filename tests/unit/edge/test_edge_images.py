"""What is served, requested and dropped as copies age, regions become unavailable and policies change."""

import hashlib
from contextlib import suppress

import gevent
import pytest

from edge.cache import Cache
from edge.flights import FetchResult, Flights
from edge.freshness import GRANT_TTL_S, MAX_TOMBSTONES_AGE_S, STALE_IF_ERROR_S
from edge.grant_cache import GrantCache
from edge.grants import Key, Permission, PlaceGrant
from edge.http1 import RequestHead
from edge.images import ImageRequest, Images
from edge.responses import Request
from edge.saved_cursors import SavedCursors
from edge.tombstones import KnownTombstones
from regions.errors import NotFound, ResidencyDenied, Unavailable
from regions.tombstone_cursors import to_document
from regions.variant_names import CONTENT_TYPES

PHOTO = "p_00000000001"
KEY = Key(PHOTO, "320.jpg")
HERE, THERE = ImageRequest(KEY, "lisbon", "eu-west"), ImageRequest(KEY, "madrid", "eu-west")


class Home:
    """An upstream that the test controls, and the clock."""

    def __init__(self) -> None:
        self.now_s, self.body, self.cache, self.error, self.requested = 1000.0, b"old bytes", True, None, []

    def fetch(self, key: Key, place: str, sha256: str | None) -> FetchResult:
        self.requested.append(sha256)
        if self.error:
            raise self.error
        grant = PlaceGrant(hashlib.sha256(self.body).hexdigest(), Permission(True, self.cache, "r"), self.now_s)
        self.grant_cache.put(key, place, grant)
        unchanged = grant.sha256 == sha256
        return FetchResult(grant, len(self.body), None if unchanged else [self.body], self.cache)

    def tombstones(self, region: str, cursors: dict[int, int]) -> dict:
        return {"items": [], "complete": True, "after": to_document(cursors)}


@pytest.fixture
def home():
    return Home()


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path, 10_000, 10_000)


@pytest.fixture
def tombstones(home, cache, tmp_path):
    tombstones = KnownTombstones(home.tombstones, cache.purge, SavedCursors(tmp_path), lambda: home.now_s)
    tombstones.run_once("eu-west")
    return tombstones


@pytest.fixture
def flights():
    return Flights(20, 10_000)


@pytest.fixture
def images(home, cache, tombstones, flights):
    home.grant_cache = GrantCache(lambda: home.now_s)
    return Images("lisbon", {"eu-west": home}, cache, home.grant_cache, tombstones, flights, lambda: home.now_s)


@pytest.fixture
def get(images):
    """The bytes and the Cache-Status of one request."""

    def get(image_request: ImageRequest = HERE) -> tuple[bytes, str]:
        response = images.respond(Request(RequestHead("GET", "/", "", 1, {})), image_request)
        return b"".join(response.chunks), dict(response.headers)["Cache-Status"]

    return get


def test_a_fresh_copy_is_served_without_asking(home, get):
    """Two requests of a client cause one request to the upstream."""
    assert get() == (b"old bytes", "lisbon; fwd=uri-miss; stored")
    assert get() == (b"old bytes", "lisbon; hit")
    assert home.requested == [None]


def test_an_expired_grant_is_requested_again(home, get, tombstones):
    """The upstream confirms the copy by its hash; after that it is served without asking again."""
    get()
    home.now_s += GRANT_TTL_S + 1
    tombstones.run_once("eu-west")
    assert get() == (b"old bytes", "lisbon; fwd=stale; fwd-status=304")
    assert get()[1] == "lisbon; hit"


def test_without_recent_tombstones_every_request_asks_the_upstream(home, get):
    """A valid grant is not enough."""
    get()
    home.now_s += MAX_TOMBSTONES_AGE_S + 1
    assert get()[1] == get()[1] == "lisbon; fwd=stale; fwd-status=304"


def test_while_the_upstream_is_unavailable_a_copy_is_served_for_a_limited_time(home, get):
    """Stale-if-error, and then no longer."""
    get()
    home.error = Unavailable("unavailable")
    home.now_s += MAX_TOMBSTONES_AGE_S + STALE_IF_ERROR_S
    assert get() == (b"old bytes", "lisbon; hit; detail=stale-if-error")
    home.now_s += 1
    with pytest.raises(Unavailable):
        get()


def test_a_copy_without_a_grant_is_not_served_while_the_upstream_is_unavailable(home, get, cache):
    """As after a restart: the bytes are cached, but the permission to serve them is not."""
    cache.put(KEY, hashlib.sha256(home.body).hexdigest(), home.body)
    home.error = Unavailable("unavailable")
    with pytest.raises(Unavailable):
        get()


def test_new_bytes_of_the_origin_replace_the_cached_ones(home, get, cache):
    """Whatever the reason is, the origin's hash decides."""
    get()
    home.body = b"new bytes"
    home.now_s += MAX_TOMBSTONES_AGE_S + 1
    assert get() == (b"new bytes", "lisbon; fwd=stale; stored")
    assert cache.stored_sha256(KEY) == hashlib.sha256(b"new bytes").hexdigest()


def test_an_image_that_may_no_longer_be_cached_is_served_and_dropped(home, get, images, cache):
    """By a request and by a renewal."""
    for request in (get, lambda: images.renew(HERE)):
        home.cache = True
        home.now_s += MAX_TOMBSTONES_AGE_S + 1
        get()
        home.cache = False
        home.now_s += MAX_TOMBSTONES_AGE_S + 1
        request()
        assert cache.inventory(PHOTO) == []


@pytest.mark.parametrize("refusal", [NotFound("gone"), ResidencyDenied("no", "policy.yaml:1")])
def test_a_refusal_drops_the_copy_and_is_remembered_for_a_second(home, get, cache, refusal):
    """A deleted photo, or a policy rule that forbids serving it."""
    get()
    home.error = refusal
    home.now_s += MAX_TOMBSTONES_AGE_S + 1
    for _ in range(2):
        with pytest.raises(type(refusal)):
            get()
    assert (cache.inventory(PHOTO), len(home.requested)) == ([], 2)
    home.now_s += 2
    home.error = None
    assert get()[0] == b"old bytes"


def test_a_refusal_for_another_place_does_not_drop_our_copy(home, get, cache):
    """A grant is for one place."""
    get()
    home.error = ResidencyDenied("no", "policy.yaml:1")
    with pytest.raises(ResidencyDenied):
        get(THERE)
    assert get()[1] == "lisbon; hit"


def test_each_place_needs_a_grant_of_its_own(home, get):
    """The cached bytes are not fetched again."""
    get()
    assert get(THERE) == (b"old bytes", "lisbon; fwd=stale; fwd-status=304")
    assert get(THERE)[1] == "lisbon; hit"


@pytest.mark.parametrize("pause_s", [0, 0.001, 0.005, 0.02, 0.1])
def test_a_tombstone_leaves_nothing_of_requests_that_are_under_way(images, flights, cache, tombstones, pause_s):
    """Whatever they do at that moment: fetch, write to the disk, evict another variant, or read again."""
    names = [f"{size}{recipe}.{format}" for size in (150, 320) for recipe in ("", ".v2") for format in CONTENT_TYPES]

    def request(name: str) -> None:
        with suppress(NotFound):
            for _ in range(3):
                request = Request(RequestHead("GET", "/", "", 1, {}))
                b"".join(images.respond(request, ImageRequest(Key(PHOTO, name), "lisbon", "eu-west")).chunks)

    requests = [gevent.spawn(request, name) for name in names]
    gevent.sleep(pause_s)
    tombstones.apply({"items": [{"photo_id": PHOTO}], "after": {"0": 1}})
    gevent.joinall(requests, timeout=20, raise_error=True)
    with gevent.Timeout(20):
        while flights._flights:
            gevent.sleep(0.001)
    assert cache.inventory(PHOTO) == cache.all_keys() == []


def test_a_deleted_photo_is_refused_without_asking_the_upstream(home, get, tombstones, cache):
    """The tombstone takes precedence over the copy, the grant and the origin."""
    get()
    tombstones.apply({"items": [{"photo_id": PHOTO}], "after": {"0": 1}})
    with pytest.raises(NotFound):
        get()
    assert (cache.inventory(PHOTO), len(home.requested)) == ([], 1)
