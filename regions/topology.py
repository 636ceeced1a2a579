"""The topology: which regions and edges exist, where they are, and how to reach each.

Pure: takes the text of a TOML file, returns frozen values. A region's number is the one that its ids contain.
"""

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields
from math import asin, cos, radians, sin, sqrt
from typing import Any

from regions import ids
from regions.errors import NotFound, TopologyError
from regions.ids import MAX_REGIONS
from regions.image_limits import MAX_PIXELS

_EARTH_RADIUS_KM = 6371.0
# It becomes a part of file names, of topics and of stamps.
_NAME = re.compile("[A-Za-z0-9_-]{1,40}")
# Of a JPEG: 65,535 pixels a side.
_MOST_MEGAPIXELS = 4294
_KINDS = {str: "text", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Place:
    """What a residency decision knows of a region or an edge. `kind` is "region" or "edge"."""

    name: str
    kind: str
    jurisdiction: str


@dataclass(frozen=True, slots=True)
class Region:
    """One region. `origin` is the API's URL; `objects` to `settings` and `limits` are the URLs of its stores.

    `scheduler` is the address of a Dask scheduler; if it is empty, the processor starts a cluster of its own. Photos of
    more than `max_megapixels` are refused.
    """

    name: str
    number: int
    jurisdiction: str
    latitude: float
    longitude: float
    origin: str
    objects: str
    catalog: str
    feeds: str
    events: str
    settings: str
    limits: str = "memory:"
    scheduler: str = ""
    max_megapixels: int = MAX_PIXELS // 1_000_000

    @property
    def place(self) -> Place:
        return Place(self.name, "region", self.jurisdiction)


@dataclass(frozen=True, slots=True)
class Edge:
    """One CDN node. `shield_of` names the region whose shield it is, if any; `cache` is the folder of its cache."""

    name: str
    jurisdiction: str
    latitude: float
    longitude: float
    url: str
    cache: str
    shield_of: str = ""

    @property
    def place(self) -> Place:
        return Place(self.name, "edge", self.jurisdiction)


@dataclass(frozen=True, slots=True)
class Witness:
    """A node that holds no data and confirms statements, where there are only two regions."""

    name: str
    jurisdiction: str
    url: str


@dataclass(frozen=True, slots=True)
class Topology:
    regions: Mapping[str, Region]
    edges: Mapping[str, Edge]
    witnesses: Mapping[str, Witness] = field(default_factory=dict)

    def region_numbered(self, number: int) -> Region | None:
        return next((region for region in self.regions.values() if region.number == number), None)

    def shield_of(self, region: str) -> Edge:
        """The only edge that asks this region's origin for grants and reads its objects."""
        return next(edge for edge in self.edges.values() if edge.shield_of == region)

    def regions_by_distance(self, latitude: float, longitude: float) -> list[Region]:
        """The nearest one first."""
        return sorted(self.regions.values(), key=lambda region: _distance_km(region, latitude, longitude))

    def nearest_region(self, latitude: float, longitude: float) -> Region:
        return self.regions_by_distance(latitude, longitude)[0]

    def place(self, name: str) -> Place | None:
        node = self.regions.get(name) or self.edges.get(name)
        return node.place if node else None


def home_of(topology: Topology, kind: str, public_id: str) -> Region:
    """The region in which this id was made. Raises NotFound if it is not such an id, or no region has its number."""
    region = topology.region_numbered(ids.parse(kind, public_id).region)
    if region is None:
        raise NotFound(f"{public_id} has the number of a region that is not in the topology")
    return region


def parse(text: str, overrides: Mapping[tuple[str, str], str] | None = None) -> Topology:
    """Raises TopologyError. The message says what to correct.

    `overrides` maps (region or edge name, field) to a value that replaces the file's.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TopologyError(f"the topology is not TOML: {error}") from error
    nodes = {
        kind: {
            name: table | {field: value for (node, field), value in (overrides or {}).items() if node == name}
            for name, table in _tables(tables, plural).items()
        }
        for kind, plural in (("region", "regions"), ("edge", "edges"), ("witness", "witnesses"))
    }
    topology = Topology(
        {name: _build(Region, name, table) for name, table in nodes["region"].items()},
        {name: _build(Edge, name, table) for name, table in nodes["edge"].items()},
        {name: _build(Witness, name, table) for name, table in nodes["witness"].items()},
    )
    _check(topology)
    return topology


def _tables(tables: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    nodes = tables.get(kind, {})
    if not isinstance(nodes, dict):
        raise TopologyError(f"{kind} are tables, such as [{kind}.NAME]")
    for name, table in nodes.items():
        if not isinstance(table, dict):
            raise TopologyError(f"{name} is not a table, such as [{kind}.{name}]")
    return nodes


def _build(kind: Any, name: str, table: dict[str, Any]) -> Any:
    types = {field.name: field.type for field in fields(kind) if field.name != "name"}
    if unknown := set(table) - set(types):
        raise TopologyError(f"{name} has unknown keys: {', '.join(sorted(unknown))}")
    required = [field.name for field in fields(kind) if field.name in types and field.default is MISSING]
    if missing := [key for key in required if key not in table]:
        raise TopologyError(f"{name} lacks {', '.join(missing)}")
    return kind(name=name, **{key: _value(f"{key} of {name}", value, types[key]) for key, value in table.items()})


def _value(what: str, value: Any, kind: Any) -> Any:
    """The value as `kind`. A number may be given as text, since overrides come from the environment."""
    if kind is str and isinstance(value, str):
        return value
    if kind is not str and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            if kind(value) == value or isinstance(value, str):
                return kind(value)
    raise TopologyError(f"{what} is {value!r}, which is not {_KINDS[kind]}")


def _check(topology: Topology) -> None:
    if not topology.regions:
        raise TopologyError("the topology has no regions")
    names = [*topology.regions, *topology.edges, *topology.witnesses]
    if both := {name for name in names if names.count(name) > 1}:
        raise TopologyError(f"two places share the name {', '.join(sorted(both))}")
    for name in names:
        if not _NAME.fullmatch(name):
            raise TopologyError(f"{name!r} can't name a place: up to 40 letters, digits, _ and -")
    numbers = [region.number for region in topology.regions.values()]
    if len(set(numbers)) < len(numbers) or not all(0 <= number < MAX_REGIONS for number in numbers):
        raise TopologyError(f"region numbers must differ and lie between 0 and {MAX_REGIONS - 1}")
    for region in topology.regions.values():
        if not 1 <= region.max_megapixels <= _MOST_MEGAPIXELS:
            raise TopologyError(f"max_megapixels of {region.name} must lie between 1 and {_MOST_MEGAPIXELS}")
    shields = sorted(edge.shield_of for edge in topology.edges.values() if edge.shield_of)
    if shields != sorted(topology.regions):
        raise TopologyError("each region needs exactly one edge that is `shield_of` it")


def _distance_km(region: Region, latitude: float, longitude: float) -> float:
    """Great-circle distance (haversine)."""
    here, there = radians(latitude), radians(region.latitude)
    north, east = there - here, radians(region.longitude - longitude)
    chord = sin(north / 2) ** 2 + cos(here) * cos(there) * sin(east / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(sqrt(chord))
