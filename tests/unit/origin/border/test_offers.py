"""What an origin takes from another region's lane, which may be hostile: its keys and stores may be an attacker's."""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from origin.border.receiving import PUT_LASTS_MS, PUT_MS
from origin.border.slots import AT_ONCE, DELETIONS_AT_ONCE, RegionSlots
from regions import ids
from regions.border.batches import MAX_ITEMS
from regions.border.bounds import AHEAD_MS, MAX_AT_MS
from regions.border.offers import Offer, OfferedObject, Reference, offer_document
from regions.errors import Unavailable
from regions.events.messages import follow_changed
from regions.events.topics import PHOTO_REFERENCED
from regions.records import Photo, Status, Variant
from regions.residency.decide import Subject
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_key
from tests.builders.statements import POLICY_TEXT

SMALL, BODY = b"a small picture", b"an original"
SHA256S = {body: hashlib.sha256(body).hexdigest() for body in (SMALL, BODY)}


@pytest.fixture
def photo(unused_id) -> Photo:
    """Of us-central, ready there."""
    return Photo(
        unused_id("p", 2), unused_id("u", 2), "world", "us-central", Status.READY, "At sea", len(BODY), SHA256S[BODY],
        1, "image/jpeg", variants=(Variant(150, 150, 100, len(SMALL), SHA256S[SMALL]),),
    )  # fmt: skip


def offer_of(photo: Photo) -> Offer:
    return Offer(
        photo.photo_id,
        Subject(photo.residency_class, photo.home_region),
        (
            OfferedObject("150.jpg", SHA256S[SMALL], len(SMALL)),
            OfferedObject("", SHA256S[BODY], len(BODY), "image/jpeg"),
        ),
        photo,
        Reference(photo.owner_id, photo.created_at_ms),
    )


def document_of(photo: Photo, **changes):
    return offer_document(offer_of(photo)) | changes


@dataclass(frozen=True)
class Outcome:
    """Of one item: what its request alone would have been answered with."""

    status_code: int
    json: dict

    @property
    def text(self) -> str:
        return str(self.json)


def ask(api, route: str, *items, node="us-central") -> list[Outcome]:
    kind = "deletions" if route == "deletions" else "offers"
    response = api.request("PUT", f"/border/v1/{route}", {kind: list(items)}, node=node)
    if response.status_code != 200:
        return [Outcome(response.status_code, response.json) for _ in items]
    problems = [answer.get("problem") for answer in response.json["answers"]]
    return [
        Outcome(problem["status"], problem) if problem else Outcome(200, answer)
        for problem, answer in zip(problems, response.json["answers"], strict=True)
    ]


def send(api, photo: Photo, route="arrivals", node="us-central", **changes) -> Outcome:
    [outcome] = ask(api, route, document_of(photo, **changes), node=node)
    return outcome


def put_variant(api, photo: Photo, body: bytes = SMALL) -> None:
    """As if it had come by the URL."""
    key = variant_key(photo.photo_id, "150.jpg")
    api.objects.put(VARIANTS, key, [body], hashlib.sha256(body).hexdigest(), "image/jpeg")


def delete(api, photo: Photo, deleted_at_ms=5) -> Outcome:
    [outcome] = ask(api, "deletions", {"photo_id": photo.photo_id, "deleted_at_ms": deleted_at_ms})
    return outcome


def is_untouched(api, photo: Photo) -> bool:
    catalog = api.catalog
    return (
        catalog.photos.get(photo.photo_id) is None
        and catalog.tombstones.get(photo.photo_id) is None
        and catalog.arrivals.until(photo.photo_id) is None
        and api.published(PHOTO_REFERENCED) == []
    )


def test_the_receiver_decides_by_its_own_statement(api, photo):
    """An American raw may not rest in eu-west, whatever the sender thinks; its variants may."""
    answer = send(api, photo, "offers").json
    assert answer["objects"]["150.jpg"]["state"] == "missing"
    assert answer["objects"]["150.jpg"]["url"].startswith("http://objects.test/")
    denied = answer["objects"][""]
    assert denied["state"] == "denied" and denied["rule"].startswith("policy.yaml:") and "url" not in denied


def test_what_arrived_counts_when_it_was_verified(api, photo):
    """The metadata is there from then on, and the answer names what is missing."""
    before = send(api, photo).json
    assert before["objects"]["150.jpg"]["state"] == "missing"
    put_variant(api, photo)
    assert send(api, photo).json["objects"]["150.jpg"]["state"] == "stored"
    assert api.catalog.photos.get(photo.photo_id) == photo


@pytest.mark.parametrize("body", [SMALL[:-1], SMALL[:-1] + b"!"])
def test_other_bytes_than_those_offered_do_not_count(api, photo, body):
    """They are removed, since they would be in the way of the right ones."""
    put_variant(api, photo, body)
    assert send(api, photo).json["objects"]["150.jpg"]["state"] == "missing"
    assert api.objects.info(VARIANTS, variant_key(photo.photo_id, "150.jpg")) is None


def test_both_the_offer_and_the_answer_may_come_twice(api, photo):
    put_variant(api, photo)
    for route in ("arrivals", "offers", "offers", "arrivals"):
        assert send(api, photo, route).json["objects"]["150.jpg"]["state"] == "stored"
    entries = api.catalog.audit.latest(photo.photo_id, 20)
    assert len(entries) == 4


def test_the_store_is_asked_only_where_something_may_have_come(api, photo, monkeypatch):
    """That is, since something was expected, or if the photo is known."""
    asked = []
    info = api.objects.info
    monkeypatch.setattr(api.objects, "info", lambda bucket, key: asked.append(key) or info(bucket, key))
    assert send(api, photo, "offers").json["objects"]["150.jpg"]["state"] == "missing"
    assert asked == []
    put_variant(api, photo)
    assert send(api, photo, "offers").json["objects"]["150.jpg"]["state"] == "stored"
    assert asked == [variant_key(photo.photo_id, "150.jpg")]


def test_nothing_comes_after_a_tombstone(api, photo):
    """Neither a URL nor metadata; and what has arrived meanwhile is erased."""
    assert delete(api, photo).json == {"again_at_ms": None}
    put_variant(api, photo)
    for route in ("offers", "arrivals"):
        assert send(api, photo, route).json["deleted"] is True
    assert api.catalog.photos.get(photo.photo_id) is None
    assert api.objects.info(VARIANTS, variant_key(photo.photo_id, "150.jpg")) is None


def test_a_deletion_is_confirmed_when_nothing_can_arrive_any_more(api, photo):
    """Until the last URL has run out, and a PUT that began with it has ended."""
    send(api, photo, "offers")
    again_at_ms = delete(api, photo).json["again_at_ms"]
    assert again_at_ms == api.clock.now_ms() + PUT_MS + PUT_LASTS_MS
    put_variant(api, photo)
    api.clock.at_ms = again_at_ms
    assert delete(api, photo).json == {"again_at_ms": None}
    assert list(api.objects.list(VARIANTS, "")) == []


@pytest.mark.parametrize("at_ms", [-1, 1.5, True, "1", None, 1 << 53, 253_402_300_800_000])
def test_a_deletion_at_no_time_is_refused(api, photo, at_ms):
    """Cassandra's driver writes times that it can't read again, and who lists tombstones would stumble over it."""
    assert delete(api, photo, at_ms).status_code == 400
    assert is_untouched(api, photo)


def test_nothing_is_kept_of_an_author_who_never_was(api, unused_id):
    author_id = unused_id("u", 0)
    path = f"/border/v1/followers/{author_id}"
    assert api.request("PUT", path, {"residency_class": "world"}, node="us-central").status_code == 404
    assert api.catalog.follows.follower_regions(author_id) == set()


def test_only_the_home_of_a_photo_speaks_for_it(api, ana, photo, unused_id):
    """Not for photos of others, nor of this region, nor of a region that the statement does not list."""
    ours = replace(photo, photo_id=api.ready(ana))
    for other in (replace(photo, photo_id=unused_id("p", 1)), ours, replace(photo, photo_id=unused_id("p", 9))):
        for response in (send(api, other, "offers"), send(api, other), delete(api, other)):
            assert response.status_code == 403, response.text
    assert api.catalog.photos.get(ours.photo_id) is not None
    assert list(api.objects.list(RAW, raw_key(ours.photo_id))) != []


def test_a_photo_of_the_future_is_refused(api, photo):
    """It would stay at the head of all feeds."""
    made = ids.parse(ids.PHOTO, photo.photo_id)
    future = ids.compose(made._replace(at_ms=made.at_ms + 11 * 60_000))
    other = replace(photo, photo_id=ids.to_public(ids.PHOTO, future))
    for response in (send(api, other, "offers"), send(api, other), delete(api, other)):
        assert response.status_code == 400
    assert is_untouched(api, other)


@pytest.mark.parametrize("region", [0, 1])
def test_nobody_gets_a_photo_of_a_user_who_lives_elsewhere(api, photo, unused_id, region):
    other = replace(photo, owner_id=unused_id("u", region))
    for route in ("offers", "arrivals"):
        assert send(api, other, route).status_code == 403
    assert is_untouched(api, other)


@pytest.mark.parametrize("residency_class", ["eu", "nobody", ""])
def test_nobody_has_a_class_that_has_no_home_there(api, photo, residency_class):
    """A European of us-central would be refused by nothing else."""
    other = replace(photo, residency_class=residency_class)
    for route in ("offers", "arrivals"):
        assert send(api, other, route).status_code == 403
    assert is_untouched(api, other)


OBJECT = {"variant": "150.jpg", "sha256": SHA256S[SMALL], "size_bytes": 15, "raw_type": ""}
BAD = {
    "no photo": {"photo_id": None},
    "an id of something else": {"photo_id": "u_00000000001"},
    "no class": {"residency_class": None},
    "no objects": {"objects": None},
    "objects that are none": {"objects": [1]},
    "more objects than a photo has": {"objects": [OBJECT | {"variant": f"{one}.jpg"} for one in range(1, 150)]},
    "an object twice": {"objects": [OBJECT, OBJECT]},
    "a name that leads elsewhere": {"objects": [OBJECT | {"variant": "../x.jpg"}]},
    "a name of no variant": {"objects": [OBJECT | {"variant": "150"}]},
    "no checksum": {"objects": [OBJECT | {"sha256": "ab"}]},
    "a checksum in capitals": {"objects": [OBJECT | {"sha256": SHA256S[SMALL].upper()}]},
    "a negative size": {"objects": [OBJECT | {"size_bytes": -1}]},
    "a size beyond all bounds": {"objects": [OBJECT | {"size_bytes": 1 << 40}]},
    "a size with a fraction": {"objects": [OBJECT | {"size_bytes": 15.5}]},
    "a size that is true": {"objects": [OBJECT | {"size_bytes": True}]},
    "metadata that is a list": {"metadata": []},
    "metadata without an owner": {"metadata": {"caption": "x"}},
    "a reference to nobody": {"reference": {"owner_id": "u_x", "created_at_ms": 1}},
    "a reference in the far future": {"reference": {"owner_id": "u_00000000001", "created_at_ms": 1 << 60}},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_what_is_out_of_bounds_is_refused_and_leaves_no_trace(api, photo, changes):
    for route in ("offers", "arrivals"):
        response = send(api, photo, route, **changes)
        assert response.status_code == 400, response.text
        assert response.json["type"] == "urn:darkroom:problem:bad-request"
    assert is_untouched(api, photo)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("caption", "x" * 2201), ("caption", "\ud800"), ("caption", "a\u202eb"), ("caption", "\0"), ("width", -1),
        ("placeholder", "!!!"), ("created_at_ms", 1 << 60), ("sha256", "x"), ("camera", "x" * 301), ("recipe", 0),
        ("variants", [{"size": 0}]), ("variants", "x"), ("size_bytes", 1 << 40), ("residency_class", "eu"),
        ("owner_id", "u_00000000001"), ("camera", "Leica\x1b[2J"), ("camera", "a\nb"), ("taken_at", "2026\0"),
        ("content_type", "image/jpeg\r\nSet-Cookie: a=b"), ("visibility", "public\x1b"), ("perceptual_hash", "\u202e"),
        ("created_at_ms", MAX_AT_MS),
    ],
)  # fmt: skip
def test_metadata_out_of_bounds_is_refused(api, photo, name, value):
    """Also if it names another owner or class than the rest of the offer."""
    metadata = document_of(photo)["metadata"] | {name: value}
    assert send(api, photo, metadata=metadata).status_code in (400, 403)
    assert is_untouched(api, photo)


@pytest.mark.parametrize(("later_ms", "status"), [(AHEAD_MS, 200), (AHEAD_MS + 1, 400)])
def test_a_photo_is_as_old_as_its_id_says(api, photo, later_ms, status):
    """In its metadata and in its reference, which stand in feeds."""
    at_ms = ids.parse(ids.PHOTO, photo.photo_id).at_ms + later_ms
    document = document_of(replace(photo, created_at_ms=at_ms))
    assert send(api, photo, metadata=document["metadata"], reference=None).status_code == status
    assert send(api, photo, metadata=None, reference=document["reference"]).status_code == status


def test_what_is_the_owners_alone_is_not_taken(api, photo):
    """Whatever a newer or hostile program sends."""
    more = {"location": {"latitude": 1.0, "longitude": 1.0}, "status": "rejected", "home_region": "eu-west", "new": 1}
    assert send(api, photo, metadata=document_of(photo)["metadata"] | more).status_code == 200
    assert api.catalog.photos.get(photo.photo_id) == photo


def test_a_reference_is_published_only_if_somebody_here_follows_the_owner(api, ana, photo):
    assert send(api, photo).json["reference"] is True
    assert api.published(PHOTO_REFERENCED) == []
    follow = follow_changed(ana.id, photo.owner_id, True, 1)
    api.catalog.follows.change(ana.id, photo.owner_id, True, follow)
    send(api, photo)
    assert [event.key for event in api.published(PHOTO_REFERENCED)] == [photo.photo_id]


def other_than(photo: Photo) -> Photo:
    return replace(photo, photo_id=f"{photo.photo_id[:-1]}0")


def test_one_bad_item_fails_alone(api, ana, photo):
    """Whatever is wrong with it; each has its answer in its place."""
    good, other = document_of(photo), other_than(photo)
    denied = document_of(other, residency_class="eu", metadata=None)
    bad = [good | {"photo_id": api.ready(ana)}, {}, denied, good | {"objects": 1}]
    for route in ("offers", "arrivals"):
        outcomes = ask(api, route, bad[0], good, *bad[1:], document_of(other))
        assert [one.status_code for one in outcomes] == [403, 200, 400, 403, 400, 200]
    deletions = [{"photo_id": one.photo_id, "deleted_at_ms": 5} for one in (photo, other)]
    outcomes = ask(api, "deletions", deletions[0], {"photo_id": ana.id}, deletions[1])
    assert [one.status_code for one in outcomes] == [200, 400, 200]
    assert all(api.catalog.tombstones.get(one.photo_id) for one in (photo, other))


def test_a_defect_in_one_item_fails_no_other(api, photo, monkeypatch):
    """It is an internal error, without its text."""
    other = other_than(photo)
    until = api.catalog.arrivals.until

    def failing(photo_id):
        if photo_id == photo.photo_id:
            raise ZeroDivisionError("a secret")
        return until(photo_id)

    monkeypatch.setattr(api.catalog.arrivals, "until", failing)
    deletions = [{"photo_id": one.photo_id, "deleted_at_ms": 5} for one in (photo, other)]
    failed, deleted = ask(api, "deletions", *deletions)
    assert (failed.status_code, deleted.json) == (500, {"again_at_ms": None})
    assert "secret" not in failed.text


@pytest.mark.parametrize("route", ["offers", "arrivals", "deletions"])
def test_a_batch_is_bounded(api, route):
    """In items, and in bytes as any body is; none may also be there."""
    assert {one.status_code for one in ask(api, route, *[{}] * (MAX_ITEMS + 1))} == {400}
    assert {one.status_code for one in ask(api, route, *[{}] * MAX_ITEMS)} == {400}
    assert [one.status_code for one in ask(api, route, {"new": "x" * (64 << 10)})] == [413]
    for body in ({}, {"offers": None, "deletions": None}, {"offers": [1], "deletions": [1]}):
        assert api.request("PUT", f"/border/v1/{route}", body, node="us-central").status_code == 400
    assert ask(api, route) == []


def test_without_a_lease_nothing_is_taken_that_is_bound_to_places(api, photo, unused_id):
    """It is to be tried again later, and nothing is logged. A deletion waits for nothing."""
    bound = "    rules:\n      - {allow: [rest_variants], at: [eu-west], because: A test.}\n"
    api.set_policy(POLICY_TEXT.replace("    rules:\n", bound))
    api.lose_lease()
    assert send(api, photo, "offers").status_code == 503
    assert api.catalog.audit.latest(photo.photo_id, 9) == []
    assert delete(api, photo).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/border/v1/offers", {"offers": []}),
        ("PUT", "/border/v1/arrivals", {"offers": []}),
        ("PUT", "/border/v1/followers/{ana}", {"residency_class": "world"}),
        ("POST", "/border/v1/details", {"ids": []}),
        ("POST", "/border/v1/ended-sessions", {"after_ms": 0}),
    ],
)
def test_one_region_occupies_only_a_few_threads(api, ana, method, path, body):
    """It is to try again; others are answered."""
    require_few(api, api.context.slots, AT_ONCE, (method, path.format(ana=ana.id), body))


def test_one_region_occupies_two_more_threads_with_deletions(api):
    require_few(api, api.context.deletion_slots, DELETIONS_AT_ONCE, ("PUT", "/border/v1/deletions", {"deletions": []}))


def require_few(api, slots: RegionSlots, at_once: int, asked: tuple) -> None:
    with ExitStack() as taken:
        for _ in range(at_once):
            taken.enter_context(slots.of("us-central"))
        assert api.request(*asked, node="us-central").status_code == 503
        with pytest.raises(Unavailable), slots.of("us-central"):
            pass
        with slots.of("eu-central"):
            pass
    assert api.request(*asked, node="us-central").status_code == 200
