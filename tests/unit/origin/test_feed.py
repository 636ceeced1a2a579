"""The feed: what may be shown, where its details come from, and what happens when a home is silent."""

import json
from dataclasses import replace

import pytest

from origin.border import details
from regions.errors import Unavailable
from regions.stores.settings import POLICY


def follow(api, follower, author_id):
    assert api.ask("PUT", f"/v1/users/{follower.id}/following/{author_id}", who=follower).status_code == 204


def feed(api, person, **query):
    answer = api.ask("GET", f"/v1/users/{person.id}/feed", who=person, **query)
    assert answer.status_code == 200, answer.text
    return answer.json


def feed_ids(api, person, **query):
    return [photo["id"] for photo in feed(api, person, **query)["items"]]


def kept_ids(api, person):
    """What the feed's list holds, shown or not."""
    return api.context.stores.feeds.page(person.id, None, 100)


@pytest.fixture
def followed(api, ana, eva):
    """Eva, whom Ana follows."""
    follow(api, ana, eva.id)
    return eva


def test_a_feed_shows_the_photos_of_whom_one_follows(api, ana, followed):
    """Newest first, with their images through the edge that asks."""
    photo_ids = [api.ready(followed) for _ in range(2)]
    for photo_id in photo_ids:
        api.context.stores.feeds.add(photo_id, [ana.id])
    answer = feed(api, ana)
    assert [photo["id"] for photo in answer["items"]] == photo_ids[::-1]
    assert (answer["next"], answer["unavailable"]) == (None, [])


def test_a_deleted_photo_is_not_shown(api, ana, followed):
    """However long the list keeps its id."""
    photo_id = api.ready(followed)
    api.context.stores.feeds.add(photo_id, [ana.id])
    api.ask("DELETE", f"/v1/photos/{photo_id}", who=followed)
    assert feed_ids(api, ana) == []


def test_a_photo_of_somebody_unfollowed_is_not_shown(api, ana, followed):
    """From the moment on."""
    api.context.stores.feeds.add(api.ready(followed), [ana.id])
    api.ask("DELETE", f"/v1/users/{ana.id}/following/{followed.id}", who=ana)
    assert feed_ids(api, ana) == []


def test_a_photo_that_is_not_ready_is_not_shown(api, ana, followed):
    api.context.stores.feeds.add(api.uploaded(followed), [ana.id])
    assert feed_ids(api, ana) == []


def test_a_page_full_of_hidden_photos_still_leads_on(api, ana, followed):
    """The cursor is that of what was read, not of what is shown."""
    photo_ids = [api.ready(followed) for _ in range(4)]
    for photo_id in photo_ids:
        api.context.stores.feeds.add(photo_id, [ana.id])
    for photo_id in photo_ids[2:]:
        api.ask("DELETE", f"/v1/photos/{photo_id}", who=followed)
    first = feed(api, ana, limit=2)
    assert (first["items"], first["next"]) == ([], photo_ids[2])
    assert feed_ids(api, ana, limit=2, before=first["next"]) == photo_ids[1::-1]


def test_a_lost_feed_is_filled_again(api, ana, eva):
    """Every follow is told once more; when that is done, and not before, the feed counts as whole."""
    follow(api, ana, eva.id)
    assert api.context.stores.feeds.page(ana.id, None, 10) is None
    api.clock.advance(1000)
    assert feed_ids(api, ana) == []
    assert api.context.stores.feeds.page(ana.id, None, 10) == []
    assert [event.body["author_id"] for event in api.told("follow_changed")] == [eva.id, eva.id]
    feed(api, ana)
    assert len(api.told("follow_changed")) == 2


def test_a_feed_that_could_not_be_filled_is_filled_at_the_next_look(api, ana, followed, monkeypatch):
    """The event log is away for a moment."""

    def away(events):
        raise Unavailable("the event log does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(api.context.stores.events, "publish", away)
        assert api.ask("GET", f"/v1/users/{ana.id}/feed", who=ana).status_code == 503
    assert api.context.stores.feeds.page(ana.id, None, 10) is None
    feed(api, ana)
    assert api.context.stores.feeds.page(ana.id, None, 10) == []


@pytest.fixture
def bob(abroad):
    """Somebody who lives in us-central."""
    return abroad.sign_up("Bob", "US")


@pytest.fixture
def bobs_photo(api, ana, abroad, bob, serve):
    """A photo of his, of which only the reference has come to Ana's region."""
    with serve(abroad):
        follow(api, ana, bob.id)
    photo_id = abroad.ready(bob, caption="Lake Michigan")
    api.context.stores.feeds.add(photo_id, [ana.id])
    return photo_id


def test_details_that_may_not_rest_here_are_read_from_home(api, ana, abroad, bobs_photo, serve):
    """And forgotten: this region's catalog does not know the photo."""
    with serve(abroad):
        [photo] = feed(api, ana)["items"]
    assert (photo["id"], photo["caption"]) == (bobs_photo, "Lake Michigan")
    assert photo["variants"]["320"] == f"http://lisbon.test/p/{bobs_photo}/320.jpg"
    assert api.catalog.photos.get(bobs_photo) is None


def test_a_silent_home_leaves_its_photos_out_and_says_so(api, ana, followed, bobs_photo, servers):
    """The others are shown."""
    near = api.ready(followed)
    api.context.stores.feeds.add(near, [ana.id])
    servers["us-central"].server_close()
    answer = feed(api, ana)
    assert [photo["id"] for photo in answer["items"]] == [near]
    assert answer["unavailable"] == [bobs_photo]


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
def test_a_home_that_talks_nonsense_counts_as_silent(api, ana, abroad, bobs_photo, serve, text):
    """Whatever it says, the feed is answered."""

    def nonsense(environ, start_response):
        start_response("200 OK", [("Content-Length", str(len(text)))])
        return [text]

    with serve(abroad, nonsense):
        answer = feed(api, ana)
    assert (answer["items"], answer["unavailable"]) == ([], [bobs_photo])


def test_a_home_speaks_for_the_photos_it_was_asked_for_only(api, ana, followed, abroad, bobs_photo, serve):
    """It can't put words under a neighbour's photo."""
    near = api.ready(followed, caption="True")
    api.context.stores.feeds.add(near, [ana.id])
    lie = details.outgoing(replace(api.catalog.photos.get(near), caption="False"))

    def liar(environ, start_response):
        body = json.dumps({"items": [lie], "gone": [near]}).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    with serve(abroad, liar):
        assert [photo["caption"] for photo in feed(api, ana)["items"]] == ["True"]
    assert kept_ids(api, ana) == [bobs_photo, near]


def test_a_deleted_photo_leaves_the_list_at_the_next_look(api, ana, followed):
    """One that is not ready yet stays."""
    feed(api, ana)
    deleted, waiting, shown = api.ready(followed), api.uploaded(followed), api.ready(followed)
    for photo_id in (deleted, waiting, shown):
        api.context.stores.feeds.add(photo_id, [ana.id])
    api.ask("DELETE", f"/v1/photos/{deleted}", who=followed)
    assert feed_ids(api, ana) == [shown]
    assert kept_ids(api, ana) == [shown, waiting]


def test_a_photo_that_was_deleted_at_its_home_leaves_the_list(api, ana, abroad, bob, bobs_photo, serve):
    """The home says that it is gone."""
    abroad.ask("DELETE", f"/v1/photos/{bobs_photo}", who=bob)
    with serve(abroad):
        assert feed(api, ana)["items"] == []
    assert kept_ids(api, ana) == []


def test_a_photo_whose_home_is_silent_or_refuses_stays_in_the_list(
    api, ana, abroad, bobs_photo, serve, serve_nowhere_in
):
    """It is not gone: it may be shown another day."""
    assert feed(api, ana)["unavailable"] == [bobs_photo]
    serve_nowhere_in(abroad, "eu-west")
    with serve(abroad):
        assert (feed(api, ana)["items"], kept_ids(api, ana)) == ([], [bobs_photo])
        abroad.set_policy(_policy_of(api))
        assert feed_ids(api, ana) == [bobs_photo]


def test_a_list_that_can_not_be_mended_is_shown_all_the_same(api, ana, followed, monkeypatch):
    """It is mended at the next look."""
    feed(api, ana)
    deleted, shown = api.ready(followed), api.ready(followed)
    for photo_id in (deleted, shown):
        api.context.stores.feeds.add(photo_id, [ana.id])
    api.ask("DELETE", f"/v1/photos/{deleted}", who=followed)

    def away(photo_ids, user_id):
        raise Unavailable("the feeds do not answer")

    monkeypatch.setattr(api.context.stores.feeds, "remove", away)
    assert feed_ids(api, ana) == [shown]


def _policy_of(api):
    return api.context.stores.settings.values.read(POLICY).value


def test_a_feed_is_its_owners_alone(api, ana, eva, stranger):
    """401, 403, and 421 for a feed of another region."""
    assert api.ask("GET", f"/v1/users/{ana.id}/feed").status_code == 401
    assert api.ask("GET", f"/v1/users/{ana.id}/feed", who=eva).status_code == 403
    assert api.ask("GET", f"/v1/users/{stranger.id}/feed", who=stranger).status_code == 421
