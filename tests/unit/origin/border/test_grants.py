"""The API for other servers: grants with a decision for each place, tombstones, details. All of it fails closed."""

import pytest


@pytest.fixture
def photo_id(api, ana):
    return api.ready(ana)


def grant(api, photo_id, *places, name="320.jpg", node="lisbon"):
    return api.request("GET", f"/v1/grants/{photo_id}/{name}", node=node, place=list(places))


def test_a_grant_contains_the_url_and_the_checksum_of_the_variant(api, photo_id):
    """And its size, and the owner's residency class and home region."""
    document = grant(api, photo_id, "lisbon").json
    assert document["url"].startswith("http://objects.test/object/variants/")
    assert (document["sha256"], document["size_bytes"]) == ("ab" * 32, 100)
    assert (document["residency_class"], document["home_region"]) == ("eu", "eu-west")


def test_a_grant_decides_for_each_place(api, photo_id):
    """EU photos may be cached in the EU only, and served anywhere. Each decision cites its rule."""
    places = grant(api, photo_id, "lisbon", "chicago", "sydney").json["places"]
    assert {name: (place["serve"], place["cache"]) for name, place in places.items()} == {
        "lisbon": (True, True),
        "chicago": (True, False),
        "sydney": (True, False),
    }
    assert all(place["rule"].startswith("policy.yaml:") for place in places.values())


def test_a_photo_of_class_world_may_be_cached_anywhere(us_api):
    """Unlike one of class eu."""
    photo_id = us_api.ready(us_api.sign_up("Bob", "US"))
    assert grant(us_api, photo_id, "sydney", node="chicago").json["places"]["sydney"]["cache"] is True


def test_without_a_policy_nothing_may_be_served_or_cached(api, photo_id):
    """Fails closed, and the rule says why."""
    api.set_policy(None)
    place = grant(api, photo_id, "lisbon").json["places"]["lisbon"]
    assert (place["serve"], place["cache"]) == (False, False)
    assert "no policy" in place["rule"]


def test_each_decision_is_logged_once_an_hour(api, photo_id):
    """With its rule and policy version. A popular photo does not flood the audit log."""
    for _ in range(3):
        grant(api, photo_id, "sydney")
    logged = [(entry.action, entry.place, entry.allowed) for entry in api.catalog.audit.latest(photo_id, 10)]
    assert logged == [("serve", "sydney", True), ("cache", "sydney", False)]
    assert all(entry.policy_version for entry in api.catalog.audit.latest(photo_id, 10))
    api.clock.advance(3600 * 1000)
    grant(api, photo_id, "sydney")
    assert len(api.catalog.audit.latest(photo_id, 10)) == 4


def test_a_decision_by_another_policy_is_logged_at_once(api, photo_id):
    """It is a different decision."""
    grant(api, photo_id, "sydney")
    api.set_policy(None)
    grant(api, photo_id, "sydney")
    assert [entry.allowed for entry in api.catalog.audit.latest(photo_id, 10)] == [True, False, False, False]


def test_only_edges_get_grants(api, photo_id):
    """401 without a node token, 403 for a region."""
    assert api.request("GET", f"/v1/grants/{photo_id}/320.jpg", place="lisbon").status_code == 401
    assert grant(api, photo_id, "lisbon", node="us-central").status_code == 403


@pytest.mark.parametrize("places", [[], ["atlantis"], ["lisbon", "atlantis"], ["lisbon"] * 5])
def test_unknown_or_too_many_places_are_rejected(api, photo_id, places):
    """One to four places of the topology."""
    assert grant(api, photo_id, *places).status_code == 400


@pytest.mark.parametrize("name", ["151.jpg", "320.v2.jpg", "320.avif", "320", "0320.jpg", "320.v1.jpg", "big"])
def test_a_variant_that_the_photo_does_not_have_is_not_found(api, photo_id, name):
    assert grant(api, photo_id, "lisbon", name=name).status_code == 404


def test_variants_of_two_recipes_have_grants_of_their_own(api, photo_id):
    """Those of the old recipe do not change, for as long as they are listed."""
    before = grant(api, photo_id, "lisbon").json
    api.process_again(photo_id, 2)
    old, new = grant(api, photo_id, "lisbon").json, grant(api, photo_id, "lisbon", name="320.v2.jpg").json
    assert (old, old["sha256"], new["sha256"]) == (before, "ab" * 32, "cd" * 32)
    assert f"{photo_id}/320.jpg?" in old["url"]
    assert f"{photo_id}/320.v2.jpg?" in new["url"]
    api.process_again(photo_id, 3, keep=False)
    assert grant(api, photo_id, "lisbon").status_code == 404


def test_a_photo_that_is_not_ready_or_does_not_exist_has_no_grant(api, ana, photo_id, unused_id):
    """404. For a photo of another region, 421 names that region."""
    assert grant(api, api.uploaded(ana), "lisbon").status_code == 404
    api.request("DELETE", f"/v1/photos/{photo_id}", user=ana)
    assert grant(api, photo_id, "lisbon").status_code == 404
    assert grant(api, unused_id("p"), "lisbon").status_code == 404
    assert grant(api, unused_id("p", 2), "lisbon").json["region"] == "us-central"


def details(api, ids, node="us-central"):
    return api.request("POST", "/v1/details", {"ids": ids}, node=node)


def test_a_region_that_may_show_a_photo_gets_its_details(api, photo_id):
    """And the decision is in the audit log."""
    [photo] = details(api, [photo_id]).json["items"]
    assert photo["photo_id"] == photo_id
    assert [(entry.action, entry.place) for entry in api.catalog.audit.latest(photo_id, 10)] == [
        ("serve", "us-central")
    ]


def test_without_a_policy_no_details_cross_a_border(api, photo_id):
    """503: the requesting region shows the rest of its feed, and tries again later."""
    api.set_policy(None)
    assert details(api, [photo_id]).status_code == 503


def test_details_contain_only_what_a_feed_shows(api, photo_id):
    """The camera, the time and place of taking, hashes and sizes stay in the home region."""
    [photo] = details(api, [photo_id]).json["items"]
    assert set(photo) == {
        "photo_id", "owner_id", "residency_class", "caption", "created_at_ms", "width", "height", "recipe",
        "visibility", "placeholder",
    }  # fmt: skip


def test_details_distinguish_deleted_photos_from_hidden_ones(api, ana, photo_id, unused_id):
    """A photo that is not ready may become ready. Photos of other regions and invalid ids are left out."""
    deleted, waiting = api.ready(ana), api.uploaded(ana)
    api.request("DELETE", f"/v1/photos/{deleted}", user=ana)
    response = details(api, [waiting, deleted, unused_id("p"), unused_id("p", 2), "nonsense", photo_id]).json
    assert [photo["photo_id"] for photo in response["items"]] == [photo_id]
    assert response["gone"] == [deleted, unused_id("p")]


def test_a_photo_that_the_requester_may_not_show_is_not_gone(api, photo_id, deny_serving_in):
    """The policy may allow it later."""
    deny_serving_in(api, "us-central")
    assert details(api, [photo_id]).json == {"items": [], "gone": []}


def test_only_regions_get_details(api, ana, photo_id):
    """401 without a node token, also for users; 403 for an edge."""
    assert api.request("POST", "/v1/details", {"ids": [photo_id]}).status_code == 401
    assert api.request("POST", "/v1/details", {"ids": [photo_id]}, ana).status_code == 401
    assert details(api, [photo_id], node="lisbon").status_code == 403


@pytest.mark.parametrize("ids", [None, "p", {}, [7], [None], [""], ["p" * 21], ["p"] * 101, [["p"]]])
def test_an_invalid_list_of_ids_is_rejected(api, ids):
    """At most 100 short strings."""
    assert details(api, ids).status_code == 400
