"""Which routes are those of accounts, and where an account is at home."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import account_routes
from origin import scopes
from regions import ids
from regions.account_records import Scope
from regions.errors import BadRequest, NotFound
from regions.topology import Edge, Region, Topology

REGIONS = {name: Region(name, number, "EU", 0, 0, *[""] * 6) for name, number in (("eu-west", 1), ("us-central", 2))}
EDGES = {name: Edge(name, "EU", 0, 0, f"http://{name}", "", of) for name, of in (("lisbon", "eu-west"),)}
TOPOLOGY = Topology(REGIONS, EDGES)
USER = ids.to_public(ids.USER, ids.compose(ids.Snowflake(ids.EPOCH_MS, 2, 0, 0)))


def home(path, body=None):
    return account_routes.home(TOPOLOGY, path, json.dumps(body).encode())


def test_the_edge_knows_each_route_of_accounts_that_the_origin_has():
    """Otherwise any edge would forward it, with a passphrase in it."""
    for (method, route), needed in scopes.NEEDED.items():
        path = route.format_map(dict.fromkeys(("photo_id", "comment_id", "author_id", "upload_id", "name", "hash"), "x")
                                | {"user_id": USER, "session_id": "s_1", "follower_id": USER})  # fmt: skip
        public = route.startswith("/v1/sessions") or (method, route) == ("POST", "/v1/users")
        expected = public or needed in (Scope.SESSIONS, Scope.ACCOUNT)
        assert account_routes.is_account(method, path) is expected, (method, route)
        assert account_routes.is_account("OPTIONS", path) or not expected


@pytest.mark.parametrize(
    ("path", "body", "region"),
    [
        (f"/v1/users/{USER}/sessions", None, "us-central"),
        (f"/v1/users/{USER}/sessions/s_1", None, "us-central"),
        (f"/v1/users/{USER}", None, "us-central"),
        ("/v1/sessions", {"handle": "ana@eu-west"}, "eu-west"),
        ("/v1/sessions/recovery", {"handle": "ana@us-central"}, "us-central"),
        ("/v1/sessions/refresh", {"refresh_token": f"{USER}.s_1.a.b"}, "us-central"),
        ("/v1/users", {"country": "PT"}, None),
    ],
)
def test_what_a_request_says_tells_the_home(path, body, region):
    """At sign-up only the policy knows it."""
    assert home(path, body) == region


@pytest.mark.parametrize("handle", ["ana", "ana@", "ana@mars", "ana@eu-west@us-central", "", 7, None, ["ana@eu-west"]])
def test_a_handle_without_a_known_region_is_rejected(handle):
    with pytest.raises(BadRequest):
        home("/v1/sessions", {"handle": handle})


@given(st.sampled_from(["/v1/sessions", "/v1/sessions/refresh", "/v1/users"]), st.binary(max_size=60))
def test_any_body_has_a_home_or_is_rejected(path, body):
    """With no other error."""
    try:
        assert account_routes.home(TOPOLOGY, path, body) in (*REGIONS, None)
        assert path != "/v1/users" or len(account_routes.country(body)) == 2
    except BadRequest:
        pass


@pytest.mark.parametrize("user_id", ["x", "u_zzzzzzzzzzz", USER.replace("u_", "p_"), "u_00000000000"])
def test_an_id_of_no_region_is_not_found(user_id):
    with pytest.raises(NotFound):
        home(f"/v1/users/{user_id}/sessions")
