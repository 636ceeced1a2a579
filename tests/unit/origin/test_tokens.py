"""Who is let in: every route that acts for a user asks for that user's token, and says no in the same way."""

import pytest

from regions import tokens
from regions.clock import now_ms


def paths(api, ana, eva):
    photo_id, upload_id = api.ready(ana), api.begin(ana)["upload_id"]
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
def test_without_a_token_of_ours_nothing_is_done(api, ana, eva, header):
    """401, whatever stands in the header."""
    for method, path in paths(api, ana, eva):
        answer = api.client.simulate_request(method, path, json={}, headers={"Authorization": header})
        assert answer.status_code == 401, path


def test_a_token_that_another_region_signed_for_our_user_is_worthless(api, ana, eva, forged):
    """A region vouches for its own people only."""
    for method, path in paths(api, ana, eva):
        assert api.ask(method, path, {}, forged).status_code == 401, path


def test_a_token_that_has_run_out_is_refused(api, ana):
    """However well it is signed."""
    old = tokens.issue_user(ana.id, "eu-west", api.context.private_key, now_ms() // 1000 - 2 * 365 * 24 * 3600)
    answer = api.client.simulate_get(f"/v1/users/{ana.id}/feed", headers={"Authorization": f"Bearer {old}"})
    assert answer.status_code == 401


def test_a_servers_token_is_no_users_token(api, ana):
    """The audience differs."""
    node = tokens.issue_node("eu-west", api.context.private_key, now_ms() // 1000)
    answer = api.client.simulate_get(f"/v1/users/{ana.id}/feed", headers={"Authorization": f"Bearer {node}"})
    assert answer.status_code == 401


def test_a_users_token_is_no_servers_token(api, ana):
    """Nor may a user ask what only servers may."""
    photo_id = api.ready(ana)
    for path in (f"/v1/grants/{photo_id}/320", "/v1/tombstones"):
        answer = api.client.simulate_get(path, headers={"Darkroom-Node": ana.token})
        assert answer.status_code == 401


def test_a_user_of_another_region_uploads_at_home(api, stranger):
    """421 says where that is."""
    answer = api.ask("POST", "/v1/uploads/init", {}, stranger)
    assert (answer.status_code, answer.json["region"]) == (421, "us-central")
