"""Photos: getting, deleting, liking and commenting."""

import pytest

from regions.records import Reason, Status
from regions.stores.objects import RAW, raw_key


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


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED])
def test_a_photo_that_failed_or_was_rejected_has_a_reason(api, ana, status):
    """A code for programs and a sentence for people; no images."""
    photo_id = api.uploaded(ana)
    api.set_status(photo_id, status, Reason("not-an-image", "the file is a text"))
    photo = api.request("GET", f"/v1/photos/{photo_id}").json
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
    assert api.request("DELETE", f"/v1/photos/{photo_id}/like", user=ana).status_code == 409
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


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"limit": -1}, {"before": "a" * 65}])
def test_a_page_out_of_bounds_is_rejected(api, ana, query):
    """1 to 100 items; a cursor of at most 64 characters."""
    photo_id = api.ready(ana)
    for path in (f"/v1/photos/{photo_id}/comments", f"/v1/photos/{photo_id}/likes", f"/v1/users/{ana.id}/photos"):
        assert api.request("GET", path, **query).status_code == 400


def test_any_text_works_as_a_cursor(api, ana):
    """It is a position in the order. Any text up to 64 characters has one."""
    photo_id = api.ready(ana)
    for before in ("", "p_", "zzz", "'; DROP TABLE photos", "\0", "é"):
        assert api.request("GET", f"/v1/photos/{photo_id}/comments", before=before).status_code == 200
