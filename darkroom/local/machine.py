"""The whole system on one machine: its processes, where each listens, and where each stores its data.

Pure: takes the text of `deploy/one_machine.toml`, a folder and ports; returns names, paths and the text of a topology.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from darkroom.local.addresses import Addresses

HOST = "127.0.0.1"
_PORTS = ("catalog", "feeds", "events", "settings")


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the region or edge `node`. If `listens`, it serves HTTP on a port."""

    kind: str
    node: str
    listens: bool

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.node}"


@dataclass(frozen=True, slots=True)
class Servers:
    """The real servers' addresses (`host:port`, for S3 a URL), as `python -m deploy.servers` writes them.

    `s3_users` are the secrets of the regions' users of S3: each has one of its own, who is called like it.
    """

    cassandra: str
    kafka: str
    redis: str
    consul: str
    versitygw: str
    s3_users: Mapping[str, str]

    def s3_keys(self, region: str) -> str:
        """The secret of the region's objects: access key and secret key, a line each. Raises KeyError."""
        return f"{region}\n{self.s3_users[region]}\n"


@dataclass(frozen=True, slots=True)
class Machine:
    """The regions and edges of one machine, on `servers` or, without them, on embedded stores."""

    regions: Mapping[str, Mapping[str, Any]]
    edges: Mapping[str, Mapping[str, Any]]
    servers: Servers | None = None

    def processes(self) -> list[Process]:
        """All processes, in the order of their ports; those without a port come last."""
        # On real servers, S3 serves the objects.
        kinds = ("origin", "object-server") if self.servers is None else ("origin",)
        return [
            *(Process("edge", name, True) for name in self.edges),
            *(Process(kind, name, True) for kind in kinds for name in self.regions),
            *(Process(kind, name, False) for kind in ("processor", "janitor", "replicator") for name in self.regions),
        ]

    def topology(self, data: Path, ports: Mapping[str, int]) -> str:
        """The text of the topology. `data` is absolute; `ports` are by process name."""
        regions = {
            name: {
                **table,
                "origin": url_of(ports[f"origin-{name}"]),
                **(_embedded(name, data, ports) if self.servers is None else _on_servers(name, self.servers)),
            }
            for name, table in self.regions.items()
        }
        edges = {
            name: {
                **table,
                "url": url_of(ports[f"edge-{name}"]),
                "cache": str(data / "edges" / name / "cache"),
            }
            for name, table in self.edges.items()
        }
        return (
            "\n".join(_table(f"regions.{name}", region) for name, region in regions.items())
            + "\n"
            + "\n".join(_table(f"edges.{name}", edge) for name, edge in edges.items())
        )

    def addresses(self, data: Path, ports: Mapping[str, int]) -> Addresses:
        return Addresses(
            edges={name: url_of(ports[f"edge-{name}"]) for name in self.edges},
            origins={name: url_of(ports[f"origin-{name}"]) for name in self.regions},
            objects={
                name: str(_objects_of(data, name))
                if self.servers is None
                else _on_servers(name, self.servers)["objects"]
                for name in self.regions
            },
        )


def read(text: str, servers: Servers | None = None) -> Machine:
    tables = tomllib.loads(text)
    return Machine(tables["regions"], tables["edges"], servers)


def read_servers(text: str) -> Servers:
    """Raises ValueError or TypeError if the text does not name every server."""
    return Servers(**json.loads(text))


def url_of(port: int) -> str:
    return f"http://{HOST}:{port}"


def _objects_of(data: Path, region: str) -> Path:
    return data / "regions" / region / "objects"


def addresses_text(addresses: Addresses) -> str:
    return json.dumps(asdict(addresses), indent=2) + "\n"


def _embedded(name: str, data: Path, ports: Mapping[str, int]) -> dict[str, str]:
    folder, object_server = data / "regions" / name, url_of(ports[f"object-server-{name}"])
    return {
        "objects": f"directory://{_objects_of(data, name)}?server={object_server}",
        **{port: f"sqlite://{folder / port}.db" for port in _PORTS},
    }


def _on_servers(name: str, servers: Servers) -> dict[str, str]:
    """All regions share the servers; each region has its own keyspace, prefixes and buckets."""
    # These parameters name the parts of S3 that versitygw lacks.
    dialect = "region=us-east-1&style=path&lifecycle=0&access_block=0"
    return {
        "objects": f"s3://darkroom-{name}?endpoint={servers.versitygw}&{dialect}",
        "catalog": f"cassandra://{servers.cassandra}/darkroom_{name.replace('-', '_')}",
        "feeds": f"redis://{servers.redis}/0?prefix=darkroom-{name}:",
        "limits": f"redis://{servers.redis}/0?prefix=darkroom-{name}:",
        "events": f"kafka://{servers.kafka}/darkroom-{name}?partitions=4",
        "settings": f"consul://{servers.consul}/darkroom/{name}",
    }


def _table(name: str, values: Mapping[str, Any]) -> str:
    # JSON's text and numbers are valid TOML as well.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    return f"[{name}]\n{''.join(lines)}"
