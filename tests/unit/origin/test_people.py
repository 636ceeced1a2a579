"""Profiles, and whom a user follows. Signing up has a file of its own."""


def test_a_profile_contains_only_public_fields(api, ana):
    """The country is not one of them."""
    response = api.request("GET", f"/v1/users/{ana.id}")
    assert set(response.json) == {"id", "handle", "name", "home_region", "created_at"}
    assert response.json["created_at"].endswith("Z")


def test_an_unknown_user_is_not_found(api, unused_id):
    """For a user of another region, 421 names that region."""
    assert api.request("GET", f"/v1/users/{unused_id('u')}").status_code == 404
    assert api.request("GET", "/v1/users/ana").status_code == 404
    elsewhere = api.request("GET", f"/v1/users/{unused_id('u', 2)}")
    assert (elsewhere.status_code, elsewhere.json["region"]) == (421, "us-central")


def test_an_id_of_an_unknown_region_is_not_found(api, unused_id):
    """An id can contain a region number that no region has."""
    assert api.request("GET", f"/v1/users/{unused_id('u', 44)}").status_code == 404


def test_following_is_stored_and_published_once(api, ana, eva):
    """204; then it is in the list and in the event log."""
    response = api.request("PUT", f"/v1/users/{ana.id}/following/{eva.id}", user=ana)
    assert (response.status_code, response.text) == (204, "")
    assert api.request("GET", f"/v1/users/{ana.id}/following", user=ana).json == {"items": [eva.id], "next": None}
    [event] = api.published("follow_changed")
    assert event.body == {"follower_id": ana.id, "author_id": eva.id, "following": True}


def test_unfollowing_is_idempotent(api, ana, eva):
    """It is sent twice."""
    api.request("PUT", f"/v1/users/{ana.id}/following/{eva.id}", user=ana)
    for _ in range(2):
        assert api.request("DELETE", f"/v1/users/{ana.id}/following/{eva.id}", user=ana).status_code == 204
    assert api.request("GET", f"/v1/users/{ana.id}/following", user=ana).json["items"] == []


def test_users_can_not_follow_themselves(api, ana):
    assert api.request("PUT", f"/v1/users/{ana.id}/following/{ana.id}", user=ana).status_code == 422


def test_an_unknown_user_can_not_be_followed(api, ana, unused_id):
    """404, also for an invalid id."""
    assert api.request("PUT", f"/v1/users/{ana.id}/following/{unused_id('u')}", user=ana).status_code == 404
    assert api.request("PUT", f"/v1/users/{ana.id}/following/eva", user=ana).status_code == 404


def test_an_author_of_another_region_is_looked_up_there(api, ana, us_api, serve, unused_id):
    """Over HTTP. One exists, the other doesn't."""
    bob = us_api.sign_up("Bob", "US")
    with serve(us_api):
        assert api.request("PUT", f"/v1/users/{ana.id}/following/{bob.id}", user=ana).status_code == 204
        assert api.request("PUT", f"/v1/users/{ana.id}/following/{unused_id('u', 2)}", user=ana).status_code == 404


def test_an_author_whose_home_does_not_respond_can_be_followed(api, ana, servers, unused_id):
    """An outage of their region should not prevent it."""
    servers["us-central"].server_close()
    assert api.request("PUT", f"/v1/users/{ana.id}/following/{unused_id('u', 2)}", user=ana).status_code == 204


def test_only_the_user_can_see_and_change_whom_they_follow(api, ana, eva):
    """401 without a token, 403 for another user."""
    path = f"/v1/users/{ana.id}/following"
    assert api.request("GET", path).status_code == 401
    assert api.request("GET", path, user=eva).status_code == 403
    assert api.request("PUT", f"{path}/{eva.id}", user=eva).status_code == 403
    assert api.request("DELETE", f"{path}/{eva.id}", user=eva).status_code == 403


def test_followed_authors_are_listed_in_pages(api, ana):
    """Highest id first. Each appears once, and the last page has no `next`."""
    authors = [api.sign_up(f"Author {number}") for number in range(5)]
    for author in authors:
        api.request("PUT", f"/v1/users/{ana.id}/following/{author.id}", user=ana)
    seen, before = [], {}
    for _ in range(3):
        page = api.request("GET", f"/v1/users/{ana.id}/following", user=ana, limit=2, **before).json
        seen += page["items"]
        before = {"before": page["next"]}
    assert seen == [author.id for author in reversed(authors)]
    assert page["next"] is None


def test_the_list_of_a_users_photos_has_only_ready_ones(api, ana):
    """Newest first."""
    first, second = api.ready(ana), api.ready(ana)
    api.start_upload(ana)
    api.uploaded(ana)
    page = api.request("GET", f"/v1/users/{ana.id}/photos").json
    assert [photo["id"] for photo in page["items"]] == [second, first]
    assert page["next"] is None


def test_image_urls_use_the_requesting_edge(api, ana):
    """`Darkroom-Node` names it. Without it, they use the region's shield."""
    api.ready(ana)
    path = f"/v1/users/{ana.id}/photos"
    [through_sydney] = api.request("GET", path, node="sydney").json["items"]
    [through_nobody] = api.request("GET", path).json["items"]
    assert through_sydney["variants"]["320"] == f"http://sydney.test/p/{through_sydney['id']}/320.jpg"
    assert through_nobody["variants"]["320"].startswith("http://lisbon.test/")
