"""A topology is read exactly, or refused with a sentence that says what to mend."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import topology
from regions.errors import TopologyError
from regions.topology import Place, Topology

STORES = {port: f"sqlite:///{port}.db" for port in ("objects", "catalog", "feeds", "events", "settings")}
WEST = {"number": 1, "jurisdiction": "EU", "latitude": 53.3, "longitude": -6, "origin": "http://w", "public_key": "W"}
EAST = {"number": 2, "jurisdiction": "US", "latitude": 40, "longitude": -74, "origin": "http://e", "public_key": "E"}
LISBON = {"jurisdiction": "EU", "latitude": 38.7, "longitude": -9, "url": "http://l", "cache": "/l", "public_key": "L"}
BOSTON = {"jurisdiction": "US", "latitude": 42.4, "longitude": -71, "url": "http://b", "cache": "/b", "public_key": "B"}


def toml(west=None, east=None, lisbon=None, boston=None) -> str:
    """Two regions and two edges; what is given changes one of them, and a key that is None is left away."""
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


def test_a_topology_is_what_its_file_says(two):
    """Regions and edges by name, each with all that it has."""
    assert list(two.regions) == ["west", "east"]
    assert (two.regions["west"].number, two.regions["west"].catalog) == (1, "sqlite:///catalog.db")
    assert two.edges["lisbon"].cache == "/l"


def test_what_may_be_left_away_is_empty(two):
    """Dask's address, and whose shield an edge is."""
    assert two.regions["west"].scheduler == ""
    far = topology.parse(toml() + "\n[edges.sydney]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in LISBON.items()))
    assert far.edges["sydney"].shield_of == ""


def test_a_region_is_found_by_its_number(two):
    """As ids carry it."""
    assert two.region_numbered(2).name == "east"
    assert two.region_numbered(3) is None


def test_a_region_has_a_shield(two):
    """The edge beside its objects."""
    assert two.shield_of("east").name == "boston"


def test_a_name_is_a_place(two):
    """A region's or an edge's, as a decision sees it; of an unknown one there is none."""
    assert two.place("west") == Place("west", "region", "EU")
    assert two.place("boston") == Place("boston", "edge", "US")
    assert two.place("mars") is None


def test_every_node_has_a_public_key(two):
    """Of an unknown one there is none, so that nobody's token is checked with another's."""
    assert [two.public_key(name) for name in ("west", "boston", "mars")] == ["W", "B", None]


@pytest.mark.parametrize(("city", "nearest"), [((48.9, 2.3), "west"), ((41.9, -87.6), "east"), ((38.7, -27), "west")])
def test_the_nearest_region_is_by_the_globe(two, city, nearest):
    """Paris, Chicago, and the Azores."""
    assert two.nearest_region(*city).name == nearest


def test_distance_goes_over_the_date_line(two):
    """Fiji at 178° east is nearer to a region at 170° west than to Dublin."""
    moved = topology.parse(toml(east={"latitude": -14.3, "longitude": -170.7}))
    assert moved.nearest_region(-18.1, 178.4).name == "east"


def test_an_override_replaces_a_value():
    """Of that node only; numbers may come as text, as the environment has them."""
    changed = topology.parse(toml(), {("west", "catalog"): "cassandra://db", ("west", "latitude"): "1.5"})
    assert (changed.regions["west"].catalog, changed.regions["west"].latitude) == ("cassandra://db", 1.5)
    assert changed.regions["east"].catalog == "sqlite:///catalog.db"


MISTAKES = {
    "not TOML": ("[regions.west", "not TOML"),
    "nothing": ("", "no regions"),
    "regions that are no tables": ("regions = 5", "regions"),
    "a region that is no table": ("[regions]\nwest = 5", "west"),
    "a key nobody reads": (toml(west={"colour": "red"}), "colour"),
    "a key that is missing": (toml(east={"catalog": None}), "catalog"),
    "a name of its own": (toml(west={"name": "mars"}), "west"),
    "a number that is text": (toml(west={"number": "one"}), "number"),
    "a URL that is a number": (toml(west={"origin": 7}), "origin"),
    "a latitude that is true": (toml(west={"latitude": True}), "latitude"),
    "a number that is not whole": (toml(west={"number": 1.5}), "number"),
    "a number taken twice": (toml(east={"number": 1}), "differ"),
    "a number over the bits": (toml(east={"number": 64}), "63"),
    "a number below zero": (toml(east={"number": -1}), "63"),
    "a region without a shield": (toml(boston={"shield_of": None}), "shield_of"),
    "two shields of one region": (toml(boston={"shield_of": "west"}), "shield_of"),
    "a shield of nothing": (toml(boston={"shield_of": "mars"}), "shield_of"),
    "one name for two": (toml().replace("edges.lisbon", "edges.west"), "west"),
}


@pytest.mark.parametrize(("text", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused(text, told):
    """With a sentence that names it."""
    with pytest.raises(TopologyError) as refusal:
        topology.parse(text)
    assert told in str(refusal.value)


@given(st.text(max_size=200))
def test_any_text_is_refused_without_harm(text):
    """Nothing but a TopologyError comes of it."""
    with pytest.raises(TopologyError):
        topology.parse(text)


@pytest.mark.parametrize("value", ["one", "1.5", "", "nan"])
def test_an_override_that_is_no_number_is_refused(value):
    """As it would be in the file."""
    with pytest.raises(TopologyError, match="number of west"):
        topology.parse(toml(), {("west", "number"): value})
