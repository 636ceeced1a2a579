"""What is served, requested and dropped as copies age, regions become unavailable and policies change."""

import hashlib
from contextlib import suppress

import gevent
import pytest
from gevent.event import Event

from edge.cache import Cache
from edge.flights import FetchResult, Flights
from edge.freshness import GRANT_TTL_S, MAX_TOMBSTONES_AGE_S, STALE_IF_ERROR_S
from edge.grant_cache import GrantCache
from edge.grants import Grant, Key
from edge.http1 import RequestHead
from edge.images import ImageRequest, Images
from edge.permissions import Permissions
from edge.renewal import Renewal
from edge.responses import Request
from edge.saved_cursors import SavedCursors
from edge.tombstones import KnownTombstones
from regions.errors import NotFound, ResidencyDenied, Unavailable
from regions.residency.live import FollowedRules
from regions.residency.statement import Kind
from regions.residency.statement_folder import StatementFolder
from regions.tombstone_cursors import to_document
from regions.topology import Topology
from regions.variant_names import CONTENT_TYPES
from tests.builders.statements import DEPLOYED, POLICY_TEXT, BootClock, Compliance, place, tell

PHOTO = "p_00000000001"
KEY = Key(PHOTO, "320.jpg")
PLACES = (*DEPLOYED, place("madrid", Kind.EDGE))
HERE, THERE = ImageRequest(KEY, "lisbon", "eu-west"), ImageRequest(KEY, "madrid", "eu-west")


class Home:
    """An upstream that the test controls, and the clock."""

    def __init__(self) -> None:
        self.now_s, self.body, self.error, self.requested = 1000.0, b"old bytes", None, []
        self.responds = Event()
        self.responds.set()

    def fetch(self, wanted: ImageRequest, sha256: str | None) -> FetchResult:
        self.requested.append(sha256)
        self.responds.wait()
        if self.error:
            raise self.error
        grant = Grant(hashlib.sha256(self.body).hexdigest(), "eu", "eu-west", self.now_s)
        self.grant_cache.put(wanted.key, grant)
        unchanged, storable = grant.sha256 == sha256, self.permissions.of(grant, "lisbon").cache.allowed
        return FetchResult(grant, len(self.body), None if unchanged else [self.body], storable)

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
    tombstones = KnownTombstones(
        home.tombstones, cache.purge, SavedCursors(tmp_path), lambda: home.now_s, lambda region, photo_id: True
    )
    tombstones.run_once("eu-west")
    return tombstones


@pytest.fixture
def flights():
    return Flights(["eu-west"], 20, 10_000)


@pytest.fixture
def compliance():
    return Compliance()


@pytest.fixture
def rules(compliance, tmp_path):
    """The shipped policy is in force. Its clock stands still, so the lease does not end by itself."""
    rules = FollowedRules(StatementFolder(tmp_path / "state"), compliance.signers, BootClock())
    tell(rules, compliance.states(places=PLACES), "eu-west")
    return rules


@pytest.fixture
def deny(rules, compliance):
    """`deny("cache", "lisbon")` puts a statement in force that denies this action at this edge."""

    def deny(action: str, edge: str) -> None:
        denial = f"    rules:\n      - {{deny: [{action}], at: [{edge}], because: A test.}}\n"
        tell(rules, compliance.states(POLICY_TEXT.replace("    rules:\n", denial), PLACES), "eu-west")

    return deny


@pytest.fixture
def images(home, cache, tombstones, flights, rules):
    home.grant_cache, home.permissions = GrantCache(lambda: home.now_s), Permissions(rules)
    upstreams, clock = {"eu-west": home}, lambda: home.now_s
    return Images("lisbon", upstreams, cache, home.grant_cache, home.permissions, tombstones, flights, clock)


@pytest.fixture
def renewal(cache, home, images):
    topology = Topology({}, {})
    return Renewal("lisbon", topology, cache, home.grant_cache, home.permissions, images, lambda: home.now_s)


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


def test_a_request_for_which_there_is_a_copy_does_not_wait_for_a_frozen_upstream(home, get):
    """No longer than a second and a half. The response is used when it comes, for the next request."""
    get()
    home.responds.clear()
    home.now_s += MAX_TOMBSTONES_AGE_S + 1
    home.body = b"new bytes"
    with gevent.Timeout(2):
        assert get() == (b"old bytes", "lisbon; hit; detail=stale-if-error")
    home.responds.set()
    gevent.sleep(0.1)
    assert get() == (b"new bytes", "lisbon; fwd=stale; fwd-status=304")


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


def test_an_image_that_may_no_longer_be_cached_is_served_and_dropped(get, images, cache, deny):
    """From the next request on, without a new grant."""
    get()
    deny("cache", "lisbon")
    assert get() == (b"old bytes", "lisbon; fwd=stale")
    assert cache.inventory(PHOTO) == []


def test_what_may_no_longer_be_cached_is_dropped_without_a_request(get, renewal, cache, deny):
    """By the loop that notices another statement. Nothing else is dropped."""
    get()
    assert (renewal.drop_forbidden(), len(cache.all_keys())) == (0, 1)
    deny("cache", "madrid")
    assert (renewal.drop_forbidden(), len(cache.all_keys())) == (0, 1)
    deny("cache", "lisbon")
    assert (renewal.drop_forbidden(), cache.inventory(PHOTO)) == (1, [])


def test_a_statement_decides_at_the_next_request_without_a_new_grant(home, get, deny):
    """451 with the rule: the edge has the facts, and asks nobody."""
    get()
    deny("serve", "lisbon")
    with pytest.raises(ResidencyDenied) as denied:
        get()
    assert (denied.value.members["rule"].startswith("policy.yaml:"), len(home.requested)) == (True, 1)


def test_without_a_lease_a_place_elsewhere_gets_nothing(home, get, rules):
    """Within the jurisdiction of the home everything goes on."""
    abroad = ImageRequest(KEY, "sydney", "eu-west")
    assert get(abroad)[0] == b"old bytes"
    rules.clock_s.at_s += 61
    with pytest.raises(Unavailable):
        get(abroad)
    assert get()[0] == get(THERE)[0] == b"old bytes"


def test_other_caches_may_keep_only_what_may_be_anywhere(images):
    """`private` where the class has rules that bind it to places."""
    response = images.respond(Request(RequestHead("GET", "/", "", 1, {})), HERE)
    assert dict(response.headers)["Cache-Control"].startswith("private, max-age=")


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
    """The origin may know a newer statement."""
    get()
    home.error = ResidencyDenied("no", "policy.yaml:1")
    home.now_s += MAX_TOMBSTONES_AGE_S + 1
    with pytest.raises(ResidencyDenied):
        get(THERE)
    home.error = None
    home.now_s += 2
    assert get()[1] == "lisbon; fwd=stale; fwd-status=304"


def test_one_grant_serves_every_place_that_the_statement_allows(home, get, deny):
    """It states facts; for each place the statement decides."""
    get()
    assert (get(THERE), len(home.requested)) == ((b"old bytes", "lisbon; hit"), 1)
    deny("serve", "madrid")
    with pytest.raises(ResidencyDenied):
        get(THERE)
    assert get()[1] == "lisbon; hit"


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
    tombstones.apply("eu-west", {"items": [{"photo_id": PHOTO}], "after": {"0": 1}})
    gevent.joinall(requests, timeout=20, raise_error=True)
    with gevent.Timeout(20):
        while flights._flights:
            gevent.sleep(0.001)
    assert cache.inventory(PHOTO) == cache.all_keys() == []


def test_a_deleted_photo_is_refused_without_asking_the_upstream(home, get, tombstones, cache):
    """The tombstone takes precedence over the copy, the grant and the origin."""
    get()
    tombstones.apply("eu-west", {"items": [{"photo_id": PHOTO}], "after": {"0": 1}})
    with pytest.raises(NotFound):
        get()
    assert (cache.inventory(PHOTO), len(home.requested)) == ([], 1)
