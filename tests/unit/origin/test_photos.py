"""Looking at photos, deleting, liking, commenting."""

import pytest

from regions.records import Reason, Status
from regions.stores.objects import RAW, raw_key


def test_a_ready_photo_has_its_images(api, ana):
    """Four sizes, and its own size and time."""
    photo_id = api.ready(ana, caption="The harbour")
    photo = api.ask("GET", f"/v1/photos/{photo_id}", node="lisbon").json
    assert photo["variants"] == {
        str(size): f"http://lisbon.test/p/{photo_id}/{size}.jpg" for size in (150, 320, 640, 1080)
    }
    assert (photo["owner"], photo["caption"], photo["status"]) == (ana.id, "The harbour", "ready")
    assert (photo["width"], photo["height"]) == (4000, 2000)
    assert "reason" not in photo


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED])
def test_a_photo_that_did_not_come_out_says_why(api, ana, status):
    """A code for programs, a sentence for people, and no images."""
    photo_id = api.uploaded(ana)
    api.turn(photo_id, status, Reason("not-an-image", "the file is a text"))
    photo = api.ask("GET", f"/v1/photos/{photo_id}").json
    assert photo["reason"] == {"code": "not-an-image", "detail": "the file is a text"}
    assert (photo["status"], photo["variants"]) == (status, {})


def test_a_photo_that_is_not_there_is_not_found(api, ana, nobodys):
    """On every route; and another region's is sent there."""
    for method, rest in (("GET", ""), ("DELETE", ""), ("PUT", "/like"), ("GET", "/likes"), ("GET", "/comments")):
        assert api.ask(method, f"/v1/photos/{nobodys('p')}{rest}", who=ana).status_code == 404
        assert api.ask(method, f"/v1/photos/nonsense{rest}", who=ana).status_code == 404
        elsewhere = api.ask(method, f"/v1/photos/{nobodys('p', 1)}{rest}", who=ana)
        assert (elsewhere.status_code, elsewhere.json["region"]) == (421, "eu-central")


def test_a_deleted_photo_is_gone_and_told_of(api, ana):
    """From the API, from its owner's list, and to everybody else by an event and a tombstone."""
    photo_id = api.ready(ana)
    assert api.ask("DELETE", f"/v1/photos/{photo_id}", who=ana).status_code == 204
    assert api.ask("GET", f"/v1/photos/{photo_id}").status_code == 404
    assert api.ask("GET", f"/v1/users/{ana.id}/photos").json["items"] == []
    assert [event.key for event in api.told("photo_deleted")] == [photo_id]
    assert api.catalog.tombstones.get(photo_id).owner_id == ana.id


def test_deleting_twice_is_deleting_once(api, ana):
    """The tombstone remembers whose photo it was."""
    photo_id = api.ready(ana)
    for _ in range(2):
        assert api.ask("DELETE", f"/v1/photos/{photo_id}", who=ana).status_code == 204
    assert len(api.told("photo_deleted")) == 1


def test_nobody_deletes_anothers_photo(api, ana, eva):
    """403 while it is there, 404 when it is gone."""
    photo_id = api.ready(ana)
    assert api.ask("DELETE", f"/v1/photos/{photo_id}", who=eva).status_code == 403
    assert api.ask("GET", f"/v1/photos/{photo_id}").status_code == 200
    api.ask("DELETE", f"/v1/photos/{photo_id}", who=ana)
    assert api.ask("DELETE", f"/v1/photos/{photo_id}", who=eva).status_code == 404


def test_a_photo_in_mid_upload_is_deleted_with_its_parts(api, ana):
    """And what is under way can't bring it back."""
    upload_id = api.begin(ana)["upload_id"]
    multipart_id = api.catalog.uploads.get(upload_id).multipart_id
    api.put(upload_id, 1, b"a picture")
    assert api.ask("DELETE", f"/v1/photos/{upload_id}", who=ana).status_code == 204
    assert api.objects.list_parts(multipart_id) == []
    assert api.objects.info(RAW, raw_key(upload_id)) is None


def test_a_like_counts_once_and_is_taken_back(api, ana, eva):
    """However often it is said."""
    photo_id = api.ready(ana)
    for _ in range(2):
        assert api.ask("PUT", f"/v1/photos/{photo_id}/like", who=eva).status_code == 204
    assert api.ask("GET", f"/v1/photos/{photo_id}/likes").json == {"items": [eva.id], "next": None}
    for _ in range(2):
        assert api.ask("DELETE", f"/v1/photos/{photo_id}/like", who=eva).status_code == 204
    assert api.ask("GET", f"/v1/photos/{photo_id}/likes").json["items"] == []


def test_people_of_other_regions_like_and_comment_here(api, ana, stranger):
    """Likes and comments live at the photo's home."""
    photo_id = api.ready(ana)
    assert api.ask("PUT", f"/v1/photos/{photo_id}/like", who=stranger).status_code == 204
    comment = api.ask("POST", f"/v1/photos/{photo_id}/comments", {"text": "How blue!"}, stranger)
    assert (comment.status_code, comment.json["author"]) == (201, stranger.id)
    assert set(comment.json) == {"id", "author", "text", "created_at"}
    assert api.ask("GET", f"/v1/photos/{photo_id}/comments").json == {"items": [comment.json], "next": None}


def test_a_photo_that_is_not_ready_is_not_liked(api, ana):
    """409: there is nothing to see yet."""
    photo_id = api.uploaded(ana)
    assert api.ask("PUT", f"/v1/photos/{photo_id}/like", who=ana).status_code == 409
    assert api.ask("DELETE", f"/v1/photos/{photo_id}/like", who=ana).status_code == 409
    assert api.ask("POST", f"/v1/photos/{photo_id}/comments", {"text": "Hm"}, ana).status_code == 409


@pytest.mark.parametrize(
    "text", ["", "  ", None, 7, ["a"], "a" * 2001, "a\0b", "a\x7fb", "a\ud800", "a\u202eb", "\u200d\ufe0f"]
)
def test_a_comment_out_of_bounds_is_refused(api, ana, text):
    """And nothing is kept."""
    photo_id = api.ready(ana)
    assert api.ask("POST", f"/v1/photos/{photo_id}/comments", {"text": text}, ana).status_code == 400
    assert api.ask("GET", f"/v1/photos/{photo_id}/comments").json["items"] == []


@pytest.mark.parametrize(
    "text",
    ["two\nlines", "two\r\nlines", "a\ttab", "😀", "👩‍👩‍👧", "🏳️‍🌈", "\U0001fae8", "<b>bold</b>", "עברית"],
)
def test_a_comment_is_kept_as_it_is(api, ana, text):
    """Markup is text; line ends become `\\n`."""
    photo_id = api.ready(ana)
    api.ask("POST", f"/v1/photos/{photo_id}/comments", {"text": text}, ana)
    [comment] = api.ask("GET", f"/v1/photos/{photo_id}/comments").json["items"]
    assert comment["text"] == text.replace("\r\n", "\n")


def test_comments_come_in_pages_newest_first(api, ana):
    """Every one once, and the last page says so."""
    photo_id = api.ready(ana)
    for number in range(5):
        api.ask("POST", f"/v1/photos/{photo_id}/comments", {"text": str(number)}, ana)
    path, seen, before = f"/v1/photos/{photo_id}/comments", [], {}
    for _ in range(3):
        page = api.ask("GET", path, limit=2, **before).json
        seen += [comment["text"] for comment in page["items"]]
        before = {"before": page["next"]}
    assert (seen, page["next"]) == (["4", "3", "2", "1", "0"], None)


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"limit": -1}, {"before": "a" * 65}])
def test_a_page_out_of_bounds_is_refused(api, ana, query):
    """1 to 100 items, after a cursor of ours."""
    photo_id = api.ready(ana)
    for path in (f"/v1/photos/{photo_id}/comments", f"/v1/photos/{photo_id}/likes", f"/v1/users/{ana.id}/photos"):
        assert api.ask("GET", path, **query).status_code == 400


def test_a_cursor_that_nobody_gave_finds_nothing_or_something_but_breaks_nothing(api, ana):
    """It is a place in the order, no more."""
    photo_id = api.ready(ana)
    for before in ("", "p_", "zzz", "'; DROP TABLE photos", "\0", "é"):
        assert api.ask("GET", f"/v1/photos/{photo_id}/comments", before=before).status_code == 200
