"""Which region a request is for, and what may be forwarded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import routing
from regions import ids, user_tokens
from regions.errors import LoopDetected, NotFound
from regions.topology import Edge, Region, Topology, home_of
from regions.user_tokens import AccessToken
from tests.builders.statements import node_key

LISBON, CHICAGO = (38.7, -9.1), (41.9, -87.6)


def region(name: str, number: int, at: tuple[float, float]) -> Region:
    return Region(name, number, "EU", *at, "http://o", *["none://"] * 5)


def edge(name: str, at: tuple[float, float], shield_of: str) -> Edge:
    return Edge(name, "EU", *at, f"http://{name}", "/cache", shield_of)


TOPOLOGY = Topology(
    {"eu-west": region("eu-west", 1, LISBON), "us-central": region("us-central", 2, CHICAGO)},
    {"lisbon": edge("lisbon", LISBON, "eu-west"), "chicago": edge("chicago", CHICAGO, "us-central")},
)
HERE = TOPOLOGY.edges["chicago"]


def public(kind: str, number: int) -> str:
    return ids.to_public(kind, ids.compose(ids.Snowflake(ids.EPOCH_MS + 1, number, 0, 0)))


def bearer(name: str) -> str:
    claims = AccessToken(public("u", 1), "eu-west", name, "s_1", frozenset(), "eu")
    return f"Bearer {user_tokens.issue(claims, 'k1', node_key('eu-west'), 0)}"


@pytest.mark.parametrize("kind", ["p", "u", "c"])
def test_the_first_id_in_the_path_decides(kind):
    """It takes precedence over the token and the edge."""
    path = f"/v1/users/{public(kind, 1)}/following/{public('u', 2)}"
    assert routing.region_for(TOPOLOGY, HERE, path, bearer("us-central")).name == "eu-west"


def test_an_id_of_an_unknown_region_is_skipped():
    """The next id with a known region decides."""
    path = f"/v1/users/{public('u', 63)}/following/{public('u', 1)}"
    assert routing.region_for(TOPOLOGY, HERE, path, "").name == "eu-west"


def test_without_an_id_the_token_decides_and_without_a_token_the_distance():
    """A token of an unknown region is ignored."""
    assert routing.region_for(TOPOLOGY, HERE, "/v1/uploads/init", bearer("eu-west")).name == "eu-west"
    assert routing.region_for(TOPOLOGY, HERE, "/v1/uploads/init", bearer("nowhere")).name == "us-central"


@given(st.text(max_size=100), st.text(max_size=200))
def test_every_request_has_a_region(path, authorization):
    """Whatever it contains."""
    assert routing.region_for(TOPOLOGY, HERE, path, f"Bearer {authorization}").name in TOPOLOGY.regions


@pytest.mark.parametrize(
    "path", ["/v1/users", "/v1/users/u_1/feed", "/v1/photos/p_1/like", "/v1/uploads/init", "/v1/homes"]
)
def test_the_public_part_is_forwarded(path):
    """All of it."""
    routing.require_public(path)


@given(st.text(alphabet="/.%26e7grantsusers~_-\\;", max_size=40))
def test_only_the_public_part_is_forwarded(tail):
    """A path that is accepted begins with a public segment, and has no `..` and no escape in it."""
    try:
        routing.require_public(f"/v1/{tail}")
    except NotFound:
        return
    segments = tail.split("/")
    assert segments[0] in ("users", "uploads", "photos", "sessions", "homes")
    assert not {"", ".", ".."} & set(segments)
    assert "%" not in tail


@pytest.mark.parametrize("photo_id", ["", "p_1", "u_00000000001", public("p", 63), "p_\x00"])
def test_an_id_that_is_not_a_photo_of_a_region_has_no_home(photo_id):
    """404."""
    with pytest.raises(NotFound):
        home_of(TOPOLOGY, ids.PHOTO, photo_id)


def test_hop_by_hop_headers_are_not_forwarded():
    """Those in the RFC, and those that Connection lists."""
    headers = [("Connection", "X-A, close"), ("x-a", "1"), ("TE", "x"), ("Accept", "y")]
    assert routing.forwardable_headers(headers) == [("Accept", "y")]


def test_a_loop_is_detected_and_other_networks_are_ignored():
    """RFC 8586: each network adds itself; names are compared without their parameters."""
    assert routing.cdn_loop("", "lisbon") == "darkroom-lisbon"
    assert routing.cdn_loop("other; a=1", "lisbon") == "other; a=1, darkroom-lisbon"
    with pytest.raises(LoopDetected):
        routing.cdn_loop("other, Darkroom-Lisbon ;x", "lisbon")
