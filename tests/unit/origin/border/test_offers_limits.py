"""How much another region may bring in a while, so that one which is in an attacker's hands fills nothing here."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

from origin import limiter, limits
from origin.border import batches, slots
from regions.events.messages import follow_changed
from regions.events.topics import PHOTO_REFERENCED
from regions.records import Photo
from tests.unit.origin.border.test_offers import ask, delete, document_of, is_untouched, photo, send  # noqa: F401


def limited(monkeypatch, name: str, most: int) -> None:
    before = getattr(limiter, name)
    monkeypatch.setattr(limiter, name, replace(before, limit=replace(before.limit, most=most)))


def another(photo: Photo, number: int) -> Photo:  # noqa: F811
    return replace(photo, photo_id=f"{photo.photo_id[:-1]}{number}")


def test_an_author_of_another_region_has_only_so_many_photos_in_feeds_in_a_day(api, ana, photo, monkeypatch):  # noqa: F811
    """The photos behind that are kept and shown as all others, but in no feed; other authors' are."""
    limited(monkeypatch, "REFERENCES", 2)
    other = replace(photo, photo_id=f"{photo.photo_id[:-1]}9", owner_id=f"{photo.owner_id[:-1]}9")
    for author_id in (photo.owner_id, other.owner_id):
        api.catalog.follows.change(ana.id, author_id, True, follow_changed(ana.id, author_id, True, 1))
    brought = [*(another(photo, number) for number in range(3)), other]
    for one in brought:
        assert send(api, one).status_code == 200
    referenced = {event.key for event in api.published(PHOTO_REFERENCED)}
    assert referenced == {brought[0].photo_id, brought[1].photo_id, other.photo_id}
    assert api.catalog.photos.get(brought[2].photo_id) == brought[2]


def test_a_photo_that_is_brought_again_is_not_one_more(api, ana, photo, monkeypatch):  # noqa: F811
    """A lane tries again for hours while something else of it fails. The photos behind it reach the feeds as well."""
    limited(monkeypatch, "REFERENCES", 2)
    api.catalog.follows.change(ana.id, photo.owner_id, True, follow_changed(ana.id, photo.owner_id, True, 1))
    for one in (photo, photo, photo, another(photo, 1), another(photo, 2)):
        assert send(api, one).status_code == 200
    referenced = {event.key for event in api.published(PHOTO_REFERENCED)}
    assert referenced == {photo.photo_id, another(photo, 1).photo_id}


def test_a_region_that_would_fill_the_disks_is_to_wait(api, photo, monkeypatch):  # noqa: F811
    """Nothing is kept of the offer. A deletion waits for nothing."""
    limited(monkeypatch, "REGION_BYTES", 20)
    assert send(api, another(photo, 1), "offers").status_code == 200
    refused = send(api, photo, "offers")
    assert (refused.status_code, refused.json["limit"]) == (429, "bytes-of-region")
    assert is_untouched(api, photo)
    assert delete(api, photo).status_code == 200


def test_a_region_that_offers_without_end_is_to_wait(api, photo, monkeypatch):  # noqa: F811
    """Each item of a batch counts. Deletions are counted for themselves, so they do not wait for offers."""
    few = replace(limits.REGION_OFFERS, limit=replace(limits.REGION_OFFERS.limit, most=3))
    for route in ("offers", "arrivals"):
        monkeypatch.setitem(limits.BY_ROUTE, ("PUT", f"/border/v1/{route}"), (few,))
    offers = [document_of(another(photo, number)) for number in range(2)]
    assert [one.status_code for one in ask(api, "offers", *offers)] == [200, 200]
    assert [one.status_code for one in ask(api, "arrivals", *offers)] == [429, 429]
    assert [one.status_code for one in ask(api, "arrivals", offers[0])] == [200]
    assert send(api, another(photo, 3), "offers").json["limit"] == "offers-of-region"
    assert is_untouched(api, another(photo, 3))
    assert delete(api, photo).status_code == 200


def test_a_deletion_waits_behind_no_copy(api, photo, monkeypatch):  # noqa: F811
    """Although offers have all of the region's other slots and threads."""
    begun, goes_on, get = threading.Semaphore(0), threading.Event(), api.catalog.photos.get

    def hang(photo_id):
        begun.release()
        goes_on.wait(10)
        return get(photo_id)

    monkeypatch.setattr(api.catalog.photos, "get", hang)
    offers = [document_of(another(photo, number)) for number in range(batches.AT_ONCE)]
    with ThreadPoolExecutor(1) as lane, ExitStack() as others:
        copies = lane.submit(ask, api, "offers", *offers)
        for _ in range(slots.AT_ONCE - 1):
            others.enter_context(api.context.slots.of("us-central"))
        assert all(begun.acquire(timeout=10) for _ in offers)
        assert send(api, photo, "offers").status_code == 503
        assert delete(api, photo).status_code == 200
        goes_on.set()
        assert [one.status_code for one in copies.result(10)] == [200] * len(offers)
