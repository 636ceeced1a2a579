"""A ready photo whose visibility this program does not know: on every route it is one that only its owner may see."""

import pytest

VARIANT_SIZES = (150, 320, 640, 1080)


@pytest.fixture
def hidden(api, ana, eva):
    """The id of Ana's photo, which Eva liked and commented on before a newer program hid it, and of Eva's comment."""
    photo_id = api.ready(ana, caption="Secret")
    api.request("PUT", f"/v1/photos/{photo_id}/like", user=eva)
    comment = api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": "Hello"}, eva).json
    api.set_visibility(photo_id, "friends")
    return photo_id, comment["id"]


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("PUT", "/like"),
        ("GET", "/likes"),
        ("POST", "/comments"),
        ("GET", "/comments"),
    ],
)
def test_for_others_it_is_as_if_it_did_not_exist(api, eva, hidden, method, rest):
    """Also for those who have seen it before, and at every place."""
    photo_id, comment_id = hidden
    path = f"/v1/photos/{photo_id}{rest.format(comment_id=comment_id)}"
    users = (eva, None) if method == "GET" else (eva,)
    for user, node in [(user, node) for user in users for node in (None, "lisbon", "eu-central")]:
        response = api.request(method, path, {"text": "Hi"} if method == "POST" else None, user, node)
        assert (response.status_code, response.json["detail"]) == (404, f"there is no photo {photo_id}")


def test_a_like_or_comment_on_it_can_be_taken_back(api, eva, stranger, hidden):
    """By who wrote it. Nobody else learns that there was anything."""
    photo_id, comment_id = hidden
    path = f"/v1/photos/{photo_id}"
    for user in (stranger, None):
        response = api.request("DELETE", f"{path}/comments/{comment_id}", user=user)
        assert response.status_code == (404 if user else 401)
    assert api.request("DELETE", f"{path}/comments/{comment_id}", user=stranger).json["detail"].endswith(photo_id)
    for rest in ("like", f"comments/{comment_id}"):
        assert api.request("DELETE", f"{path}/{rest}", user=eva).status_code == 204
    api.set_visibility(photo_id, "public")
    assert api.request("GET", f"{path}/likes").json["items"] == []
    assert api.request("GET", f"{path}/comments").json["items"] == []


def test_its_owner_sees_it_without_images(api, ana, hidden):
    """As one that is being processed: an image would be for everybody who has its address."""
    photo_id, comment_id = hidden
    photo = api.request("GET", f"/v1/photos/{photo_id}", user=ana).json
    assert (photo["caption"], photo["variants"]) == ("Secret", {})
    likes, comments = (api.request("GET", f"/v1/photos/{photo_id}/{what}", user=ana) for what in ("likes", "comments"))
    assert (likes.status_code, [comment["id"] for comment in comments.json["items"]]) == (200, [comment_id])


def test_its_owner_can_not_like_or_comment_on_it(api, ana, hidden):
    """409, as for one that is being processed."""
    photo_id, _ = hidden
    assert api.request("PUT", f"/v1/photos/{photo_id}/like", user=ana).status_code == 409
    assert api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": "Hm"}, ana).status_code == 409


def test_its_owner_can_delete_it(api, ana, hidden):
    """And remove comments."""
    photo_id, comment_id = hidden
    assert api.request("DELETE", f"/v1/photos/{photo_id}/comments/{comment_id}", user=ana).status_code == 204
    assert api.request("DELETE", f"/v1/photos/{photo_id}", user=ana).status_code == 204
    assert api.request("GET", f"/v1/photos/{photo_id}", user=ana).status_code == 404


def test_it_is_in_no_list_of_photos(api, ana, eva, hidden):
    """Neither among its owner's photos nor in the feed of a follower. It stays in the feeds store: it is not gone."""
    photo_id, _ = hidden
    api.request("PUT", f"/v1/users/{eva.id}/following/{ana.id}", user=eva)
    api.request("GET", f"/v1/users/{eva.id}/feed", user=eva)
    api.context.stores.feeds.add(photo_id, [eva.id])
    for path in (f"/v1/users/{ana.id}/photos", f"/v1/users/{eva.id}/feed"):
        response = api.request("GET", path, user=eva)
        assert (response.status_code, response.json["items"]) == (200, [])
    assert api.request("GET", f"/v1/users/{ana.id}/photos", user=ana).json["items"] == []
    assert api.context.stores.feeds.page(eva.id, None, 9) == [photo_id]


def test_other_servers_get_nothing_of_it(api, hidden):
    """No grant for its images, and no details. It is not gone either."""
    photo_id, _ = hidden
    api.set_visibility(photo_id, "public")
    assert api.request("GET", f"/v1/grants/{photo_id}/640.jpg", node="lisbon").status_code == 200
    api.set_visibility(photo_id, "friends")
    for size in VARIANT_SIZES:
        assert api.request("GET", f"/v1/grants/{photo_id}/{size}.jpg", node="lisbon").status_code == 404
    response = api.request("POST", "/border/v1/details", {"ids": [photo_id]}, node="us-central")
    assert response.json == {"items": [], "gone": []}


def test_it_is_shown_again_when_it_is_public_again(api, eva, hidden):
    """With its likes."""
    photo_id, _ = hidden
    api.set_visibility(photo_id, "public")
    assert set(api.request("GET", f"/v1/photos/{photo_id}").json["variants"]) == set(map(str, VARIANT_SIZES))
    assert api.request("GET", f"/v1/photos/{photo_id}/likes").json["items"] == [eva.id]
