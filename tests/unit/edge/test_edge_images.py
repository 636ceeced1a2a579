"""What is shown, asked for and dropped as things grow old, regions go away and policies change."""

import hashlib

import pytest

from edge.cache import Cache
from edge.flights import Arrival, Flights
from edge.freshness import GRANT_TTL_S, SILENCE_S, STALE_IF_ERROR_S
from edge.grant_cache import GrantCache
from edge.grants import Grant, ImageMeta, Key
from edge.images import ImageRequest, Images
from edge.responses import Request
from edge.tombstones import KnownTombstones
from edge.wire import Head
from regions.errors import NotFound, ResidencyDenied, Unavailable

PHOTO = "p_00000000001"
KEY = Key(PHOTO, 320)
HERE, THERE = ImageRequest(KEY, "lisbon", "eu-west"), ImageRequest(KEY, "madrid", "eu-west")


class Home:
    """An upstream that says what it is told to, and the clock by which it is said."""

    def __init__(self) -> None:
        self.now_s, self.body, self.cache, self.fails, self.asked = 1000.0, b"old bytes", True, None, []

    def fetch(self, key: Key, place: str, sha256: str | None) -> Arrival:
        self.asked.append(sha256)
        if self.fails:
            raise self.fails
        facts = ImageMeta(hashlib.sha256(self.body).hexdigest(), Grant(True, self.cache, "r"), self.now_s)
        self.known.learn(key, place, facts)
        same = facts.sha256 == sha256
        return Arrival(facts, len(self.body), None if same else [self.body], self.cache)

    def tombstones(self, region: str, after: int) -> dict:
        return {"items": [], "last": after}


@pytest.fixture
def home():
    return Home()


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path, 10_000, 10_000)


@pytest.fixture
def tombstones(home, cache):
    tombstones = KnownTombstones(home.tombstones, cache.purge, lambda: home.now_s)
    tombstones.run_once("eu-west")
    return tombstones


@pytest.fixture
def images(home, cache, tombstones):
    home.known = GrantCache(lambda: home.now_s)
    return Images("lisbon", {"eu-west": home}, cache, home.known, tombstones, Flights(9, 10_000), lambda: home.now_s)


@pytest.fixture
def look(images):
    """The bytes and the Cache-Status of one look."""

    def look(asked: ImageRequest = HERE) -> tuple[bytes, str]:
        answer = images.answer(Request(Head("GET", "/", "", 1, {})), asked)
        return b"".join(answer.chunks), dict(answer.fields)["Cache-Status"]

    return look


def test_a_young_copy_is_shown_without_a_question(home, look):
    """One question for two looks."""
    assert look() == (b"old bytes", "lisbon; fwd=uri-miss; stored")
    assert look() == (b"old bytes", "lisbon; hit")
    assert home.asked == [None]


def test_an_old_grant_is_asked_for_again(home, look, tombstones):
    """The copy is confirmed by its hash, and then shown unasked again."""
    look()
    home.now_s += GRANT_TTL_S + 1
    tombstones.run_once("eu-west")
    assert look() == (b"old bytes", "lisbon; fwd=stale; fwd-status=304")
    assert look()[1] == "lisbon; hit"


def test_without_tombstones_every_look_is_a_question(home, look):
    """A young grant is not enough."""
    look()
    home.now_s += SILENCE_S + 1
    assert look()[1] == look()[1] == "lisbon; fwd=stale; fwd-status=304"


def test_where_nobody_answers_a_copy_is_shown_for_a_while(home, look):
    """Stale-if-error, and then no more."""
    look()
    home.fails = Unavailable("away")
    home.now_s += SILENCE_S + STALE_IF_ERROR_S
    assert look() == (b"old bytes", "lisbon; hit; detail=stale-if-error")
    home.now_s += 1
    with pytest.raises(Unavailable):
        look()


def test_a_copy_that_says_nothing_of_its_grant_is_not_shown_where_nobody_answers(home, look, cache):
    """As after a restart: the bytes are there, and no leave to show them."""
    cache.put(KEY, hashlib.sha256(home.body).hexdigest(), home.body)
    home.fails = Unavailable("away")
    with pytest.raises(Unavailable):
        look()


def test_other_bytes_take_the_place_of_the_old(home, look, cache):
    """Whatever the reason: the origin's hash decides."""
    look()
    home.body = b"new bytes"
    home.now_s += SILENCE_S + 1
    assert look() == (b"new bytes", "lisbon; fwd=stale; stored")
    assert cache.known(KEY) == hashlib.sha256(b"new bytes").hexdigest()


def test_what_may_not_be_kept_any_more_is_shown_and_dropped(home, look, images, cache):
    """By a look and by a renewal."""
    for ask in (look, lambda: images.renew(HERE)):
        home.cache = True
        home.now_s += SILENCE_S + 1
        look()
        home.cache = False
        home.now_s += SILENCE_S + 1
        ask()
        assert cache.inventory(PHOTO) == []


@pytest.mark.parametrize("refusal", [NotFound("gone"), ResidencyDenied("no", "policy.yaml:1")])
def test_a_refusal_drops_the_copy_and_is_remembered_for_a_moment(home, look, cache, refusal):
    """A deleted photo, or a rule that forbids to show it."""
    look()
    home.fails = refusal
    home.now_s += SILENCE_S + 1
    for _ in range(2):
        with pytest.raises(type(refusal)):
            look()
    assert (cache.inventory(PHOTO), len(home.asked)) == ([], 2)
    home.now_s += 2
    home.fails = None
    assert look()[0] == b"old bytes"


def test_what_another_place_may_not_show_stays_where_it_may(home, look, cache):
    """A grant is for one place."""
    look()
    home.fails = ResidencyDenied("no", "policy.yaml:1")
    with pytest.raises(ResidencyDenied):
        look(THERE)
    assert look()[1] == "lisbon; hit"


def test_each_place_needs_a_grant_of_its_own(home, look):
    """The bytes lie here, and are not fetched again."""
    look()
    assert look(THERE) == (b"old bytes", "lisbon; fwd=stale; fwd-status=304")
    assert look(THERE)[1] == "lisbon; hit"


def test_a_buried_photo_is_refused_before_anything_is_asked(home, look, tombstones, cache):
    """The tombstone wins over the copy, the grant and the origin."""
    look()
    tombstones.learn({"items": [{"photo_id": PHOTO}], "last": 1})
    with pytest.raises(NotFound):
        look()
    assert (cache.inventory(PHOTO), len(home.asked)) == ([], 1)
