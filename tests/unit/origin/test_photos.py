"""Photos: getting, deleting, liking and commenting."""

import pytest

from regions.records import Location, Reason, Status
from regions.stores.objects import RAW, raw_key

WRONG = [{"limit": text} for text in ("1_0", "+3", "٣", " 3", "")]
WRONG += [{"before": text} for text in ("", "p_", "zzz", "'; DROP TABLE photos", "\0", "é", "null")]


def test_a_ready_photo_has_images(api, ana):
    """In four sizes. It also has its own size and time."""
    photo_id = api.ready(ana, caption="The harbour")
    photo = api.request("GET", f"/v1/photos/{photo_id}", node="lisbon").json
    assert photo["variants"] == {
        str(size): f"http://lisbon.test/p/{photo_id}/{size}.jpg" for size in (150, 320, 640, 1080)
    }
    assert (photo["owner"], photo["caption"], photo["status"]) == (ana.id, "The harbour", "ready")
    assert (photo["width"], photo["height"]) == (4000, 2000)
    assert "reason" not in photo


def test_a_photo_that_was_processed_again_has_new_urls(api, ana):
    """With the new recipe in their names, so no cache can have other bytes under them."""
    photo_id = api.ready(ana)
    api.process_again(photo_id, 2)
    photo = api.request("GET", f"/v1/photos/{photo_id}", node="lisbon").json
    assert photo["variants"] == {
        str(size): f"http://lisbon.test/p/{photo_id}/{size}.v2.jpg" for size in (150, 320, 640, 1080)
    }


def test_only_the_owner_sees_what_the_camera_wrote(api, ana, eva):
    """When and where the photo was taken, and which one it resembles, is nobody else's business, also in lists."""
    photo_id, earlier = api.ready(ana), api.ready(ana)
    facts = {"taken_at": "2026-05-01T12:30:00+02:00", "camera": "Leica Q2", "location": Location(38.72, -9.13, 12.5)}
    api.set_camera_facts(photo_id, **facts, near_duplicate_of=earlier)
    own = api.request("GET", f"/v1/photos/{photo_id}", user=ana).json
    assert (own["taken_at"], own["camera"]) == (facts["taken_at"], "Leica Q2")
    assert own["near_duplicate_of"] == earlier
    assert own["location"] == {"latitude": 38.72, "longitude": -9.13, "altitude_m": 12.5}
    for path in (f"/v1/photos/{photo_id}", f"/v1/users/{ana.id}/photos"):
        for user in (eva, None):
            shown = api.request("GET", path, user=user).text
            assert photo_id in shown
            assert not any(secret in shown for secret in ("38.72", "Leica", "2026-05-01", "near_duplicate_of"))


def test_a_deleted_original_is_not_named_any_more(api, ana):
    """The record keeps it."""
    photo_id, original = api.ready(ana), api.ready(ana)
    api.set_camera_facts(photo_id, near_duplicate_of=original)
    assert api.request("DELETE", f"/v1/photos/{original}", user=ana).status_code == 204
    assert api.request("GET", f"/v1/photos/{photo_id}", user=ana).json["near_duplicate_of"] is None


def test_a_placeholder_is_shown_in_lists(api, ana):
    """So that a page can draw something before the photo has arrived."""
    photo_id = api.ready(ana)
    api.set_camera_facts(photo_id, placeholder="1QcSHQRnh493V4dIh4eXh1h4kJUI")
    [listed] = api.request("GET", f"/v1/users/{ana.id}/photos").json["items"]
    assert listed["placeholder"] == "1QcSHQRnh493V4dIh4eXh1h4kJUI"


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED])
def test_a_photo_that_failed_or_was_rejected_has_a_reason(api, ana, status):
    """A code for programs and a sentence for people; no images."""
    photo_id = api.uploaded(ana)
    api.set_status(photo_id, status, Reason("not-an-image", "the file is a text"))
    photo = api.request("GET", f"/v1/photos/{photo_id}", user=ana).json
    assert photo["reason"] == {"code": "not-an-image", "detail": "the file is a text"}
    assert (photo["status"], photo["variants"]) == (status, {})


def test_an_unknown_photo_is_not_found(api, ana, unused_id):
    """On every route. For a photo of another region, 421 names that region."""
    for method, rest in (("GET", ""), ("DELETE", ""), ("PUT", "/like"), ("GET", "/likes"), ("GET", "/comments")):
        assert api.request(method, f"/v1/photos/{unused_id('p')}{rest}", user=ana).status_code == 404
        assert api.request(method, f"/v1/photos/nonsense{rest}", user=ana).status_code == 404
        elsewhere = api.request(method, f"/v1/photos/{unused_id('p', 1)}{rest}", user=ana)
        assert (elsewhere.status_code, elsewhere.json["region"]) == (421, "eu-central")


def test_a_deleted_photo_is_gone(api, ana):
    """From the API and from its owner's list. Other processes get an event, edges a tombstone."""
    photo_id = api.ready(ana)
    assert api.request("DELETE", f"/v1/photos/{photo_id}", user=ana).status_code == 204
    assert api.request("GET", f"/v1/photos/{photo_id}").status_code == 404
    assert api.request("GET", f"/v1/users/{ana.id}/photos").json["items"] == []
    assert [event.key for event in api.published("photo_deleted")] == [photo_id]
    assert api.catalog.tombstones.get(photo_id).owner_id == ana.id


def test_deleting_twice_has_the_effect_of_once(api, ana):
    """The tombstone contains the owner, so the second request is authorised too."""
    photo_id = api.ready(ana)
    for _ in range(2):
        assert api.request("DELETE", f"/v1/photos/{photo_id}", user=ana).status_code == 204
    assert len(api.published("photo_deleted")) == 1


def test_only_the_owner_can_delete_a_photo(api, ana, eva):
    """403 while it exists, 404 when it is deleted."""
    photo_id = api.ready(ana)
    assert api.request("DELETE", f"/v1/photos/{photo_id}", user=eva).status_code == 403
    assert api.request("GET", f"/v1/photos/{photo_id}").status_code == 200
    api.request("DELETE", f"/v1/photos/{photo_id}", user=ana)
    assert api.request("DELETE", f"/v1/photos/{photo_id}", user=eva).status_code == 404


def test_a_photo_in_mid_upload_is_deleted_with_its_parts(api, ana):
    """And no object is left."""
    upload_id = api.start_upload(ana)["upload_id"]
    multipart_id = api.catalog.uploads.get(upload_id).multipart_id
    api.put(upload_id, 1, b"a picture")
    assert api.request("DELETE", f"/v1/photos/{upload_id}", user=ana).status_code == 204
    assert api.objects.list_parts(multipart_id) == []
    assert api.objects.info(RAW, raw_key(upload_id)) is None


def test_likes_and_unlikes_are_idempotent(api, ana, eva):
    """Each is sent twice."""
    photo_id = api.ready(ana)
    for _ in range(2):
        assert api.request("PUT", f"/v1/photos/{photo_id}/like", user=eva).status_code == 204
    assert api.request("GET", f"/v1/photos/{photo_id}/likes").json == {"items": [eva.id], "next": None}
    for _ in range(2):
        assert api.request("DELETE", f"/v1/photos/{photo_id}/like", user=eva).status_code == 204
    assert api.request("GET", f"/v1/photos/{photo_id}/likes").json["items"] == []


def test_users_of_other_regions_can_like_and_comment(api, ana, stranger):
    """Likes and comments are stored in the photo's home region."""
    photo_id = api.ready(ana)
    assert api.request("PUT", f"/v1/photos/{photo_id}/like", user=stranger).status_code == 204
    comment = api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": "How blue!"}, stranger)
    assert (comment.status_code, comment.json["author"]) == (201, stranger.id)
    assert set(comment.json) == {"id", "author", "text", "created_at"}
    assert api.request("GET", f"/v1/photos/{photo_id}/comments").json == {"items": [comment.json], "next": None}


def test_a_photo_that_is_not_ready_can_not_be_liked_or_commented(api, ana):
    """409."""
    photo_id = api.uploaded(ana)
    assert api.request("PUT", f"/v1/photos/{photo_id}/like", user=ana).status_code == 409
    assert api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": "Hm"}, ana).status_code == 409


@pytest.mark.parametrize(
    "text", ["", "  ", None, 7, ["a"], "a" * 2001, "a\0b", "a\x7fb", "a\ud800", "a\u202eb", "\u200d\ufe0f"]
)
def test_a_comment_out_of_bounds_is_rejected(api, ana, text):
    """And not stored."""
    photo_id = api.ready(ana)
    assert api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": text}, ana).status_code == 400
    assert api.request("GET", f"/v1/photos/{photo_id}/comments").json["items"] == []


@pytest.mark.parametrize(
    "text",
    ["two\nlines", "two\r\nlines", "a\ttab", "😀", "👩‍👩‍👧", "🏳️‍🌈", "\U0001fae8", "<b>bold</b>", "עברית"],
)
def test_a_comment_is_stored_as_it_is(api, ana, text):
    """Markup is text; line breaks become `\\n`."""
    photo_id = api.ready(ana)
    api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": text}, ana)
    [comment] = api.request("GET", f"/v1/photos/{photo_id}/comments").json["items"]
    assert comment["text"] == text.replace("\r\n", "\n")


def test_comments_are_listed_in_pages_newest_first(api, ana):
    """Each appears once, and the last page has no `next`."""
    photo_id = api.ready(ana)
    for number in range(5):
        api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": str(number)}, ana)
    path, seen, before = f"/v1/photos/{photo_id}/comments", [], {}
    for _ in range(3):
        page = api.request("GET", path, limit=2, **before).json
        seen += [comment["text"] for comment in page["items"]]
        before = {"before": page["next"]}
    assert (seen, page["next"]) == (["4", "3", "2", "1", "0"], None)


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"limit": -1}, {"before": "a" * 65}, *WRONG]
)
def test_a_page_out_of_bounds_is_rejected(api, ana, query):
    """1 to 100 items, in ASCII digits; a cursor that a page has returned."""
    photo_id = api.ready(ana)
    for path in (f"/v1/photos/{photo_id}/comments", f"/v1/photos/{photo_id}/likes", f"/v1/users/{ana.id}/photos"):
        assert api.request("GET", path, **query).status_code == 400


@pytest.mark.parametrize(("path", "kind"), [("/photos/{}/comments", "c"), ("/photos/{}/likes", "u")])
def test_a_cursor_is_an_id_of_the_list(api, ana, path, kind):
    """Not one of another kind."""
    path = f"/v1{path.format(api.ready(ana))}"
    for other in "puc":
        expected = 200 if other == kind else 400
        assert api.request("GET", path, before=f"{other}_00000000001").status_code == expected


@pytest.mark.parametrize("status", [Status.PROCESSING, Status.FAILED, Status.REJECTED])
def test_a_photo_that_is_not_ready_exists_for_its_owner_only(api, ana, eva, status):
    """For others it is as if it had never existed: no caption, no reason, no other status code."""
    photo_id = api.uploaded(ana, caption="Secret")
    if status is not Status.PROCESSING:
        api.set_status(photo_id, status, Reason("not-an-image", "the file is a text"))
    for method, rest in (("GET", ""), ("DELETE", ""), ("PUT", "/like"), ("GET", "/likes"), ("GET", "/comments")):
        for user in (eva, None) if method == "GET" else (eva,):
            response = api.request(method, f"/v1/photos/{photo_id}{rest}", user=user)
            assert (response.status_code, response.json["detail"]) == (404, f"there is no photo {photo_id}")
    assert api.request("GET", f"/v1/photos/{photo_id}", user=ana).json["caption"] == "Secret"


@pytest.fixture
def comment(api, ana, eva):
    """(photo id, comment id) of Eva's comment about Ana's photo."""
    photo_id = api.ready(ana)
    response = api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": "Hello"}, eva)
    return photo_id, response.json["id"]


@pytest.mark.parametrize("who", ["ana", "eva"])
def test_a_comment_is_removed_by_its_author_and_by_the_photos_owner(api, comment, request, who):
    """Removing it twice has the effect of once for the photo's owner; for others it is not found any more."""
    photo_id, comment_id = comment
    user = request.getfixturevalue(who)
    assert api.request("DELETE", f"/v1/photos/{photo_id}/comments/{comment_id}", user=user).status_code == 204
    assert api.request("GET", f"/v1/photos/{photo_id}/comments").json["items"] == []
    again = api.request("DELETE", f"/v1/photos/{photo_id}/comments/{comment_id}", user=user)
    assert again.status_code == (204 if who == "ana" else 404)


def test_a_comment_is_not_removed_by_anybody_else(api, comment, stranger, unused_id):
    """403; 401 without a token; 404 for a comment that is not there."""
    photo_id, comment_id = comment
    path = f"/v1/photos/{photo_id}/comments"
    assert api.request("DELETE", f"{path}/{comment_id}").status_code == 401
    assert api.request("DELETE", f"{path}/{comment_id}", user=stranger).status_code == 403
    assert api.request("DELETE", f"{path}/{unused_id('c')}", user=stranger).status_code == 404
    assert api.request("DELETE", f"{path}/nonsense", user=stranger).status_code == 404
    assert len(api.request("GET", path).json["items"]) == 1


def test_likes_and_comments_need_a_photo_that_is_visible_where_they_come_from(api, ana, eva, deny_serving_in):
    """451 with the rule, as for reading it."""
    photo_id = api.ready(ana)
    deny_serving_in(api, "sydney")
    for method, rest, body in (("PUT", "like", None), ("POST", "comments", {"text": "Hi"})):
        response = api.request(method, f"/v1/photos/{photo_id}/{rest}", body, eva, node="sydney")
        assert response.status_code == 451, rest
    assert api.request("GET", f"/v1/photos/{photo_id}/likes", node="lisbon").json["items"] == []
