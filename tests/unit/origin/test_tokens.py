"""Authentication: every route that acts for a user needs that user's token, and rejects anything else the same way."""

import pytest

from regions.node_tokens import Call


def paths(api, ana, eva):
    photo_id, upload_id = api.ready(ana), api.start_upload(ana)["upload_id"]
    return [
        ("GET", f"/v1/users/{ana.id}/feed"),
        ("GET", f"/v1/users/{ana.id}/following"),
        ("PUT", f"/v1/users/{ana.id}/following/{eva.id}"),
        ("DELETE", f"/v1/users/{ana.id}/following/{eva.id}"),
        ("POST", "/v1/uploads/init"),
        ("GET", f"/v1/uploads/{upload_id}"),
        ("POST", f"/v1/uploads/{upload_id}/complete"),
        ("DELETE", f"/v1/uploads/{upload_id}"),
        ("DELETE", f"/v1/photos/{photo_id}"),
        ("PUT", f"/v1/photos/{photo_id}/like"),
        ("DELETE", f"/v1/photos/{photo_id}/like"),
        ("POST", f"/v1/photos/{photo_id}/comments"),
    ]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YW5hOmFuYQ==", "Bearer x", "Bearer a.b.c", "Bearer " + "a" * 5000],
)
def test_a_request_without_a_valid_token_is_unauthenticated(api, ana, eva, header):
    """401, for any content of the header."""
    for method, path in paths(api, ana, eva):
        response = api.client.simulate_request(method, path, json={}, headers={"Authorization": header})
        assert response.status_code == 401, path


def test_a_token_that_another_region_signed_for_our_user_is_invalid(api, ana, eva, forged):
    """A region can issue tokens for its own users only."""
    for method, path in paths(api, ana, eva):
        assert api.request(method, path, {}, forged).status_code == 401, path


def test_an_expired_token_is_rejected(api, ana, clock):
    """It was good for a quarter of an hour."""
    clock.advance(899_000)
    assert api.request("GET", f"/v1/users/{ana.id}/feed", user=ana).status_code == 200
    clock.advance(2_000)
    assert api.request("GET", f"/v1/users/{ana.id}/feed", user=ana).status_code == 401


def test_a_token_that_came_with_a_like_is_worth_nothing_at_the_users_home(api, us_api, ana):
    """It names the region that received it. Who holds that region's keys can't delete photos with it."""
    photo_id, elsewhere = us_api.ready(us_api.sign_up("Bob", "US")), api.token_for("us-central", ana)
    assert us_api.request("PUT", f"/v1/photos/{photo_id}/like", user=elsewhere).status_code == 204
    for method, path in paths(api, ana, api.sign_up("Eva")):
        assert api.request(method, path, {}, elsewhere).status_code == 401, path


def test_a_nodes_token_is_not_a_users_token(api, ana):
    """The audience differs."""
    node = api.node_token("eu-west", Call("eu-west", "GET", f"/v1/users/{ana.id}/feed"))
    response = api.client.simulate_get(f"/v1/users/{ana.id}/feed", headers={"Authorization": f"Bearer {node}"})
    assert response.status_code == 401


def test_a_users_token_is_not_a_nodes_token(api, ana):
    """So a user can't send the requests that only servers may send."""
    photo_id = api.ready(ana)
    for method, path in (("GET", f"/v1/grants/{photo_id}/320.jpg"), ("POST", "/v1/tombstones")):
        response = api.client.simulate_request(method, path, headers={"Darkroom-Node": ana.token})
        assert response.status_code == 401


def test_a_user_of_another_region_is_sent_to_the_home_region_to_upload(api, stranger):
    """421 names the region."""
    response = api.request("POST", "/v1/uploads/init", {}, stranger)
    assert (response.status_code, response.json["region"]) == (421, "us-central")
