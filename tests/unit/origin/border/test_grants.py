"""The API for other servers: grants, which have no URL where serving is denied, and details. All of it fails closed."""

import pytest

from regions.node_tokens import GRANT_HEADER, HEADER, Call


@pytest.fixture
def photo_id(api, ana):
    return api.ready(ana)


def grant(api, photo_id, name="320.jpg", node="lisbon", presented_by=None):
    """What the shield gets; with `presented_by`, what that shield gets for the edge `node`."""
    return api.request("GET", f"/v1/grants/{photo_id}/{name}", node=node, presented_by=presented_by)


def test_a_grant_contains_the_url_and_the_checksum_of_the_variant(api, photo_id):
    """And the facts from which edges decide themselves: its size, the owner's residency class and home region."""
    document = grant(api, photo_id).json
    assert document["url"].startswith("http://objects.test/object/variants/")
    assert (document["sha256"], document["size_bytes"]) == ("ab" * 32, 100)
    assert (document["residency_class"], document["home_region"]) == ("eu", "eu-west")


def test_where_an_image_may_not_be_served_there_is_no_url(api, photo_id, deny_serving_in):
    """451 with the rule: for an edge that asks through the shield, and for the shield itself."""
    assert "url" in grant(api, photo_id, node="sydney", presented_by="lisbon").json
    deny_serving_in(api, "sydney")
    refused = grant(api, photo_id, node="sydney", presented_by="lisbon")
    assert (refused.status_code, "url" in refused.json) == (451, False)
    assert refused.json["rule"].startswith("policy.yaml:")
    assert grant(api, photo_id).status_code == 200
    deny_serving_in(api, "lisbon")
    assert grant(api, photo_id).status_code == 451


def test_only_the_shield_of_the_region_presents_an_edges_token(api, photo_id):
    """Neither another region's shield, nor the edge itself, nor a shield for whom the token was not meant."""
    assert grant(api, photo_id, node="sydney").status_code == 403
    assert grant(api, photo_id, node="frankfurt").status_code == 403
    assert grant(api, photo_id, node="sydney", presented_by="frankfurt").status_code == 403
    path = f"/v1/grants/{photo_id}/320.jpg"
    shown = api.node_token("sydney", Call("eu-west", "GET", path, presenter="frankfurt"))
    headers = {HEADER: api.node_token("lisbon", Call("eu-west", "GET", path)), GRANT_HEADER: shown}
    assert api.client.simulate_get(path, headers=headers).status_code == 401


def test_a_place_comes_from_the_token_alone(api, photo_id, deny_serving_in):
    """Whatever the query names."""
    deny_serving_in(api, "sydney")
    asked = api.request("GET", f"/v1/grants/{photo_id}/320.jpg", node="sydney", presented_by="lisbon", place="lisbon")
    assert asked.status_code == 451


def test_without_a_lease_nothing_is_granted_outside_the_jurisdiction(api, photo_id):
    """503 for Sydney, since a later try may succeed. Lisbon goes on."""
    assert grant(api, photo_id, node="sydney", presented_by="lisbon").status_code == 200
    api.lose_lease()
    assert grant(api, photo_id, node="sydney", presented_by="lisbon").status_code == 503
    assert grant(api, photo_id).status_code == 200


def test_each_decision_is_logged_once_an_hour(api, photo_id):
    """With its rule and the hash of its statement. A popular photo does not flood the audit log."""
    for _ in range(3):
        grant(api, photo_id, node="sydney", presented_by="lisbon")
    logged = {(entry.action, entry.place, entry.allowed) for entry in api.catalog.audit.latest(photo_id, 10)}
    assert logged == {
        ("serve", "lisbon", True),
        ("cache", "lisbon", True),
        ("serve", "sydney", True),
        ("cache", "sydney", False),
    }
    statement = api.context.rules.current().in_force
    assert {entry.policy_version for entry in api.catalog.audit.latest(photo_id, 10)} == {statement.hash}
    api.clock.advance(3600 * 1000)
    grant(api, photo_id, node="sydney", presented_by="lisbon")
    assert len(api.catalog.audit.latest(photo_id, 20)) == 8


def test_a_decision_by_another_statement_is_logged_at_once(api, photo_id, deny_serving_in):
    """It is a different decision."""
    grant(api, photo_id)
    deny_serving_in(api, "lisbon")
    grant(api, photo_id)
    assert [entry.allowed for entry in api.catalog.audit.latest(photo_id, 10)] == [True, True, False, True]


def test_only_edges_get_grants(api, photo_id):
    """401 without a node token, 403 for a region."""
    assert api.request("GET", f"/v1/grants/{photo_id}/320.jpg").status_code == 401
    assert grant(api, photo_id, node="us-central").status_code == 403


@pytest.mark.parametrize("name", ["151.jpg", "320.v2.jpg", "320.avif", "320", "0320.jpg", "320.v1.jpg", "big"])
def test_a_variant_that_the_photo_does_not_have_is_not_found(api, photo_id, name):
    assert grant(api, photo_id, name=name).status_code == 404


def test_variants_of_two_recipes_have_grants_of_their_own(api, photo_id):
    """Those of the old recipe do not change, for as long as they are listed."""
    before = grant(api, photo_id).json
    api.process_again(photo_id, 2)
    old, new = grant(api, photo_id).json, grant(api, photo_id, name="320.v2.jpg").json
    assert (old, old["sha256"], new["sha256"]) == (before, "ab" * 32, "cd" * 32)
    assert f"{photo_id}/320.jpg?" in old["url"]
    assert f"{photo_id}/320.v2.jpg?" in new["url"]
    api.process_again(photo_id, 3, keep=False)
    assert grant(api, photo_id).status_code == 404


def test_a_photo_that_is_not_ready_or_does_not_exist_has_no_grant(api, ana, photo_id, unused_id):
    """404. For a photo of another region, 421 names that region."""
    assert grant(api, api.uploaded(ana)).status_code == 404
    api.request("DELETE", f"/v1/photos/{photo_id}", user=ana)
    assert grant(api, photo_id).status_code == 404
    assert grant(api, unused_id("p")).status_code == 404
    assert grant(api, unused_id("p", 2)).json["region"] == "us-central"


def details(api, ids, node="us-central"):
    return api.request("POST", "/border/v1/details", {"ids": ids}, node=node)


def test_a_region_that_may_show_a_photo_gets_its_details(api, photo_id):
    """And the decision is in the audit log."""
    [photo] = details(api, [photo_id]).json["items"]
    assert photo["photo_id"] == photo_id
    assert [(entry.action, entry.place) for entry in api.catalog.audit.latest(photo_id, 10)] == [
        ("serve", "us-central")
    ]


def test_without_a_lease_no_details_cross_a_border(api, photo_id):
    """503: the requesting region shows the rest of its feed, and tries again later."""
    api.lose_lease()
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
    assert api.request("POST", "/border/v1/details", {"ids": [photo_id]}).status_code == 401
    assert api.request("POST", "/border/v1/details", {"ids": [photo_id]}, ana).status_code == 401
    assert details(api, [photo_id], node="lisbon").status_code == 403


@pytest.mark.parametrize("ids", [None, "p", {}, [7], [None], [""], ["p" * 21], ["p"] * 101, [["p"]]])
def test_an_invalid_list_of_ids_is_rejected(api, ids):
    """At most 100 short strings."""
    assert details(api, ids).status_code == 400
