"""The feed: which photos it shows, where their details come from, and what happens if a home is unreachable."""

import json
from dataclasses import replace

import pytest

from origin.border import details
from regions.errors import Unavailable
from tests.builders.statements import POLICY_TEXT


def follow(api, follower, author_id):
    assert api.request("PUT", f"/v1/users/{follower.id}/following/{author_id}", user=follower).status_code == 204


def feed(api, person, **query):
    response = api.request("GET", f"/v1/users/{person.id}/feed", user=person, **query)
    assert response.status_code == 200, response.text
    return response.json


def feed_ids(api, person, **query):
    return [photo["id"] for photo in feed(api, person, **query)["items"]]


def stored_ids(api, person):
    """The photo ids that the feeds store has, shown or not."""
    return api.context.stores.feeds.page(person.id, None, 100)


@pytest.fixture
def followed(api, ana, eva):
    """Eva, whom Ana follows."""
    follow(api, ana, eva.id)
    return eva


def test_a_feed_shows_the_photos_of_followed_users(api, ana, followed):
    """Newest first."""
    photo_ids = [api.ready(followed) for _ in range(2)]
    for photo_id in photo_ids:
        api.context.stores.feeds.add(photo_id, [ana.id])
    response = feed(api, ana)
    assert [photo["id"] for photo in response["items"]] == photo_ids[::-1]
    assert (response["next"], response["unavailable"]) == (None, [])


def test_a_deleted_photo_is_not_shown(api, ana, followed):
    """Although the feeds store may still have its id."""
    photo_id = api.ready(followed)
    api.context.stores.feeds.add(photo_id, [ana.id])
    api.request("DELETE", f"/v1/photos/{photo_id}", user=followed)
    assert feed_ids(api, ana) == []


def test_a_photo_of_an_unfollowed_user_is_not_shown(api, ana, followed):
    """From the next request on."""
    api.context.stores.feeds.add(api.ready(followed), [ana.id])
    api.request("DELETE", f"/v1/users/{ana.id}/following/{followed.id}", user=ana)
    assert feed_ids(api, ana) == []


def test_a_photo_that_is_not_ready_is_not_shown(api, ana, followed):
    api.context.stores.feeds.add(api.uploaded(followed), [ana.id])
    assert feed_ids(api, ana) == []


def test_a_page_of_hidden_photos_has_a_next_page(api, ana, followed):
    """The cursor is that of the last photo read, not of the last one shown."""
    photo_ids = [api.ready(followed) for _ in range(4)]
    for photo_id in photo_ids:
        api.context.stores.feeds.add(photo_id, [ana.id])
    for photo_id in photo_ids[2:]:
        api.request("DELETE", f"/v1/photos/{photo_id}", user=followed)
    first = feed(api, ana, limit=2)
    assert (first["items"], first["next"]) == ([], photo_ids[2])
    assert feed_ids(api, ana, limit=2, before=first["next"]) == photo_ids[1::-1]


def test_a_lost_feed_is_filled_again(api, ana, eva):
    """Every follow is published again. Only after that is the feed marked as complete."""
    follow(api, ana, eva.id)
    assert api.context.stores.feeds.page(ana.id, None, 10) is None
    api.clock.advance(1000)
    assert feed_ids(api, ana) == []
    assert api.context.stores.feeds.page(ana.id, None, 10) == []
    assert [event.body["author_id"] for event in api.published("follow_changed")] == [eva.id, eva.id]
    feed(api, ana)
    assert len(api.published("follow_changed")) == 2


def test_a_feed_that_could_not_be_filled_is_filled_at_the_next_request(api, ana, followed, monkeypatch):
    """The event log was unavailable for a moment."""

    def unavailable(events):
        raise Unavailable("the event log does not response")

    with monkeypatch.context() as patched:
        patched.setattr(api.context.stores.events, "publish", unavailable)
        assert api.request("GET", f"/v1/users/{ana.id}/feed", user=ana).status_code == 503
    assert api.context.stores.feeds.page(ana.id, None, 10) is None
    feed(api, ana)
    assert api.context.stores.feeds.page(ana.id, None, 10) == []


@pytest.fixture
def bob(us_api):
    """A user of us-central."""
    return us_api.sign_up("Bob", "US")


@pytest.fixture
def bobs_photo(api, ana, us_api, bob, serve):
    """A photo of Bob's. Ana's region has only the reference to it."""
    with serve(us_api):
        follow(api, ana, bob.id)
    photo_id = us_api.ready(bob, caption="Lake Michigan")
    api.context.stores.feeds.add(photo_id, [ana.id])
    return photo_id


def test_details_that_may_not_be_stored_here_come_from_the_home_region(api, ana, us_api, bobs_photo, serve):
    """They are dropped after the response: this region's catalog does not have the photo."""
    with serve(us_api):
        [photo] = feed(api, ana)["items"]
    assert (photo["id"], photo["caption"]) == (bobs_photo, "Lake Michigan")
    assert photo["variants"]["320"] == f"http://lisbon.test/p/{bobs_photo}/320.jpg"
    assert api.catalog.photos.get(bobs_photo) is None


def test_details_from_the_home_region_name_the_variants_of_its_recipe(api, ana, us_api, bobs_photo, serve):
    """A photo has the same URLs in every region."""
    us_api.process_again(bobs_photo, 2)
    with serve(us_api):
        [photo] = feed(api, ana)["items"]
    assert photo["variants"]["320"] == f"http://lisbon.test/p/{bobs_photo}/320.v2.jpg"


def test_photos_whose_home_does_not_respond_are_listed_as_unavailable(api, ana, followed, bobs_photo, servers):
    """The others are shown."""
    near = api.ready(followed)
    api.context.stores.feeds.add(near, [ana.id])
    servers["us-central"].server_close()
    response = feed(api, ana)
    assert [photo["id"] for photo in response["items"]] == [near]
    assert response["unavailable"] == [bobs_photo]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"oops",
        b"[]",
        b"{}",
        b'{"items": []}',
        b'{"items": 7, "gone": []}',
        b'{"items": [7], "gone": []}',
        b'{"items": [{}], "gone": []}',
        b'{"items": ["p_00000000000"], "gone": []}',
        b'{"items": [], "gone": 7}',
        b"[" * 100_000,
    ],
    ids=lambda text: text[:40].decode(),
)
def test_an_invalid_response_of_a_home_counts_as_none(api, ana, us_api, bobs_photo, serve, text):
    """The feed is shown without its photos."""

    def respond_invalid(environ, start_response):
        start_response("200 OK", [("Content-Length", str(len(text)))])
        return [text]

    with serve(us_api, respond_invalid):
        response = feed(api, ana)
    assert (response["items"], response["unavailable"]) == ([], [bobs_photo])


def test_a_home_can_not_change_photos_of_other_regions(api, ana, followed, us_api, bobs_photo, serve):
    """Details that were not requested are ignored."""
    near = api.ready(followed, caption="True")
    api.context.stores.feeds.add(near, [ana.id])
    wrong = details.outgoing(replace(api.catalog.photos.get(near).summary(), caption="False"))

    def respond_wrongly(environ, start_response):
        body = json.dumps({"items": [wrong], "gone": [near]}).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    with serve(us_api, respond_wrongly):
        assert [photo["caption"] for photo in feed(api, ana)["items"]] == ["True"]
    assert stored_ids(api, ana) == [bobs_photo, near]


def test_a_deleted_photo_is_removed_from_the_feed_at_the_next_request(api, ana, followed):
    """A photo that is not ready yet stays."""
    feed(api, ana)
    deleted, waiting, shown = api.ready(followed), api.uploaded(followed), api.ready(followed)
    for photo_id in (deleted, waiting, shown):
        api.context.stores.feeds.add(photo_id, [ana.id])
    api.request("DELETE", f"/v1/photos/{deleted}", user=followed)
    assert feed_ids(api, ana) == [shown]
    assert stored_ids(api, ana) == [shown, waiting]


def test_a_photo_that_was_deleted_in_its_home_region_is_removed_from_the_feed(api, ana, us_api, bob, bobs_photo, serve):
    """The home region lists it as gone."""
    us_api.request("DELETE", f"/v1/photos/{bobs_photo}", user=bob)
    with serve(us_api):
        assert feed(api, ana)["items"] == []
    assert stored_ids(api, ana) == []


def test_a_photo_whose_home_is_unreachable_or_denies_it_stays_in_the_feed(
    api, ana, us_api, bobs_photo, serve, deny_serving_in
):
    """It is not gone, and may be visible again later."""
    assert feed(api, ana)["unavailable"] == [bobs_photo]
    deny_serving_in(us_api, "eu-west")
    with serve(us_api):
        assert (feed(api, ana)["items"], stored_ids(api, ana)) == ([], [bobs_photo])
        us_api.set_policy(POLICY_TEXT)
        assert feed_ids(api, ana) == [bobs_photo]


def test_a_feed_is_shown_even_if_deleted_photos_can_not_be_removed(api, ana, followed, monkeypatch):
    """The next request tries again."""
    feed(api, ana)
    deleted, shown = api.ready(followed), api.ready(followed)
    for photo_id in (deleted, shown):
        api.context.stores.feeds.add(photo_id, [ana.id])
    api.request("DELETE", f"/v1/photos/{deleted}", user=followed)

    def unavailable(photo_ids, user_id):
        raise Unavailable("the feeds do not response")

    monkeypatch.setattr(api.context.stores.feeds, "remove", unavailable)
    assert feed_ids(api, ana) == [shown]


def test_only_the_owner_can_read_a_feed(api, ana, eva, stranger):
    """401 without a token, 403 for another user, 421 for a feed of another region."""
    assert api.request("GET", f"/v1/users/{ana.id}/feed").status_code == 401
    assert api.request("GET", f"/v1/users/{ana.id}/feed", user=eva).status_code == 403
    assert api.request("GET", f"/v1/users/{stranger.id}/feed", user=stranger).status_code == 421
