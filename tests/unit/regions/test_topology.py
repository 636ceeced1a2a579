"""A topology is read exactly, or rejected with a message that says what to correct."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import topology
from regions.errors import TopologyError
from regions.topology import Place, Topology

STORES = {port: f"sqlite:///{port}.db" for port in ("objects", "catalog", "feeds", "events", "settings")}
WEST = {"number": 1, "jurisdiction": "EU", "latitude": 53.3, "longitude": -6, "origin": "http://w"}
EAST = {"number": 2, "jurisdiction": "US", "latitude": 40, "longitude": -74, "origin": "http://e"}
LISBON = {"jurisdiction": "EU", "latitude": 38.7, "longitude": -9, "url": "http://l", "cache": "/l"}
BOSTON = {"jurisdiction": "US", "latitude": 42.4, "longitude": -71, "url": "http://b", "cache": "/b"}


def toml(west=None, east=None, lisbon=None, boston=None) -> str:
    """Two regions and two edges. Each argument changes one of them; a key with the value None is left out."""
    tables = {
        "regions.west": {**WEST, **STORES, **(west or {})},
        "regions.east": {**EAST, **STORES, **(east or {})},
        "edges.lisbon": {**LISBON, "shield_of": "west", **(lisbon or {})},
        "edges.boston": {**BOSTON, "shield_of": "east", **(boston or {})},
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items() if value is not None)
        for name, table in tables.items()
    )


@pytest.fixture(scope="module")
def two() -> Topology:
    return topology.parse(toml())


def test_a_topology_has_the_nodes_of_its_file(two):
    """Regions and edges by name, with all their values."""
    assert list(two.regions) == ["west", "east"]
    assert (two.regions["west"].number, two.regions["west"].catalog) == (1, "sqlite:///catalog.db")
    assert two.edges["lisbon"].cache == "/l"


def test_optional_values_are_empty_by_default(two):
    """Dask's address, and whose shield an edge is."""
    assert two.regions["west"].scheduler == ""
    far = topology.parse(toml() + "\n[edges.sydney]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in LISBON.items()))
    assert far.edges["sydney"].shield_of == ""


def test_a_region_is_found_by_its_number(two):
    """Ids contain this number."""
    assert two.region_numbered(2).name == "east"
    assert two.region_numbered(3) is None


def test_a_region_has_a_shield(two):
    """The edge that names the region as `shield_of`."""
    assert two.shield_of("east").name == "boston"


def test_a_node_is_found_as_a_place_by_its_name(two):
    """A region or an edge, as a residency decision needs it. None for an unknown name."""
    assert two.place("west") == Place("west", "region", "EU")
    assert two.place("boston") == Place("boston", "edge", "US")
    assert two.place("mars") is None


@pytest.mark.parametrize(("city", "nearest"), [((48.9, 2.3), "west"), ((41.9, -87.6), "east"), ((38.7, -27), "west")])
def test_the_nearest_region_is_the_one_with_the_shortest_great_circle(two, city, nearest):
    """Paris, Chicago, and the Azores."""
    assert two.nearest_region(*city).name == nearest


def test_distances_cross_the_date_line(two):
    """Fiji at 178° east is nearer to a region at 170° west than to Dublin."""
    moved = topology.parse(toml(east={"latitude": -14.3, "longitude": -170.7}))
    assert moved.nearest_region(-18.1, 178.4).name == "east"


def test_an_override_replaces_a_value():
    """Of that node only. A number may be text, as in the environment."""
    changed = topology.parse(toml(), {("west", "catalog"): "cassandra://db", ("west", "latitude"): "1.5"})
    assert (changed.regions["west"].catalog, changed.regions["west"].latitude) == ("cassandra://db", 1.5)
    assert changed.regions["east"].catalog == "sqlite:///catalog.db"


MISTAKES = {
    "not TOML": ("[regions.west", "not TOML"),
    "an empty file": ("", "no regions"),
    "regions that are not tables": ("regions = 5", "regions"),
    "a region that is not a table": ("[regions]\nwest = 5", "west"),
    "an unknown key": (toml(west={"colour": "red"}), "colour"),
    "a missing key": (toml(east={"catalog": None}), "catalog"),
    "a name inside the table": (toml(west={"name": "mars"}), "west"),
    "a number that is text": (toml(west={"number": "one"}), "number"),
    "a URL that is a number": (toml(west={"origin": 7}), "origin"),
    "a latitude that is true": (toml(west={"latitude": True}), "latitude"),
    "a number that is not whole": (toml(west={"number": 1.5}), "number"),
    "one number for two regions": (toml(east={"number": 1}), "differ"),
    "a number that is too large": (toml(east={"number": 64}), "63"),
    "a number below zero": (toml(east={"number": -1}), "63"),
    "a region without a shield": (toml(boston={"shield_of": None}), "shield_of"),
    "two shields of one region": (toml(boston={"shield_of": "west"}), "shield_of"),
    "a shield of an unknown region": (toml(boston={"shield_of": "mars"}), "shield_of"),
    "one name for two": (toml().replace("edges.lisbon", "edges.west"), "west"),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_rejected(text, expected):
    """The message names it."""
    with pytest.raises(TopologyError) as raised:
        topology.parse(text)
    assert expected in str(raised.value)


@given(st.text(max_size=200))
def test_any_text_is_rejected_with_a_topology_error(text):
    """And with no other error."""
    with pytest.raises(TopologyError):
        topology.parse(text)


@pytest.mark.parametrize("value", ["one", "1.5", "", "nan"])
def test_an_override_that_is_not_a_number_is_rejected(value):
    """As it would be in the file."""
    with pytest.raises(TopologyError, match="number of west"):
        topology.parse(toml(), {("west", "number"): value})


@pytest.mark.parametrize("megapixels", [0, -1, 4295])
def test_a_limit_of_pixels_that_no_photo_could_meet_is_rejected(megapixels):
    """Or that none could exceed: a JPEG has at most 65,535 pixels a side."""
    with pytest.raises(TopologyError, match="max_megapixels of west"):
        topology.parse(toml(west={"max_megapixels": megapixels}))
