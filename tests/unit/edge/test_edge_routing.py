"""Which region a request is for, and what may be passed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import routing
from regions import ids, tokens
from regions.errors import LoopDetected, NotFound
from regions.topology import Edge, Region, Topology, home_of

LISBON, CHICAGO = (38.7, -9.1), (41.9, -87.6)


def region(name: str, number: int, at: tuple[float, float]) -> Region:
    return Region(name, number, "EU", *at, "http://o", *["none://"] * 5, public_key="k")


def edge(name: str, at: tuple[float, float], shield_of: str) -> Edge:
    return Edge(name, "EU", *at, f"http://{name}", "/cache", "k", shield_of)


TOPOLOGY = Topology(
    {"eu-west": region("eu-west", 1, LISBON), "us-central": region("us-central", 2, CHICAGO)},
    {"lisbon": edge("lisbon", LISBON, "eu-west"), "chicago": edge("chicago", CHICAGO, "us-central")},
)
HERE = TOPOLOGY.edges["chicago"]


def public(kind: str, number: int) -> str:
    return ids.to_public(kind, ids.compose(ids.Snowflake(ids.EPOCH_MS + 1, number, 0, 0)))


def bearer(name: str) -> str:
    return f"Bearer {tokens.issue_user(public('u', 1), name, tokens.make_key()[0], 0)}"


@pytest.mark.parametrize("kind", ["p", "u", "c"])
def test_the_first_id_in_the_path_decides(kind):
    """Before the token and the edge."""
    path = f"/v1/users/{public(kind, 1)}/following/{public('u', 2)}"
    assert routing.region_for(TOPOLOGY, HERE, path, bearer("us-central")).name == "eu-west"


def test_an_id_of_no_region_is_passed_over():
    """The next known one decides."""
    path = f"/v1/users/{public('u', 63)}/following/{public('u', 1)}"
    assert routing.region_for(TOPOLOGY, HERE, path, "").name == "eu-west"


def test_without_an_id_the_token_decides_and_without_a_token_the_map():
    """A token of no region of ours counts for nothing."""
    assert routing.region_for(TOPOLOGY, HERE, "/v1/uploads/init", bearer("eu-west")).name == "eu-west"
    assert routing.region_for(TOPOLOGY, HERE, "/v1/uploads/init", bearer("nowhere")).name == "us-central"


@given(st.text(max_size=100), st.text(max_size=200))
def test_every_request_has_a_region(path, authorization):
    """Whatever is in it."""
    assert routing.region_for(TOPOLOGY, HERE, path, f"Bearer {authorization}").name in TOPOLOGY.regions


@pytest.mark.parametrize("path", ["/v1/users", "/v1/users/u_1/feed", "/v1/photos/p_1/like", "/v1/uploads/init"])
def test_the_public_part_is_passed_on(path):
    """All of it."""
    routing.require_public(path)


@given(st.text(alphabet="/.%26e7grantsusers~_-\\;", max_size=40))
def test_only_the_public_part_is_passed_on(tail):
    """Whatever a path is made of, it begins with a public word and has no step back in it."""
    try:
        routing.require_public(f"/v1/{tail}")
    except NotFound:
        return
    segments = tail.split("/")
    assert segments[0] in ("users", "uploads", "photos")
    assert not {"", ".", ".."} & set(segments)
    assert "%" not in tail


@pytest.mark.parametrize("photo_id", ["", "p_1", "u_00000000001", public("p", 63), "p_\x00"])
def test_what_is_no_photo_of_a_region_has_no_home(photo_id):
    """404."""
    with pytest.raises(NotFound):
        home_of(TOPOLOGY, ids.PHOTO, photo_id)


def test_fields_of_one_hop_are_not_passed_on():
    """Those of the RFC, and those that Connection names."""
    fields = [("Connection", "X-A, close"), ("x-a", "1"), ("TE", "x"), ("Accept", "y")]
    assert routing.end_to_end(fields) == [("Accept", "y")]


def test_a_loop_is_seen_and_other_networks_are_not():
    """RFC 8586: each adds itself; names are compared without their parameters."""
    assert routing.cdn_loop("", "lisbon") == "darkroom-lisbon"
    assert routing.cdn_loop("other; a=1", "lisbon") == "other; a=1, darkroom-lisbon"
    with pytest.raises(LoopDetected):
        routing.cdn_loop("other, Darkroom-Lisbon ;x", "lisbon")
