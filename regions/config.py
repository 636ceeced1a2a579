"""The only module that reads the environment, and the only one that knows every adapter.

A topology file says which stores a region has; each value gives way to an environment variable
`DARKROOM_<NAME>_<FIELD>` (`DARKROOM_EU_WEST_CATALOG=sqlite:///…`). Secrets lie in a folder, one file each,
never in the topology.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from regions import topology
from regions.clock import now_ms
from regions.errors import TopologyError
from regions.stores.catalog import Catalog
from regions.stores.events import Events
from regions.stores.feeds import Feeds
from regions.stores.objects import Objects
from regions.stores.settings import Settings

_PREFIX = "DARKROOM_"


@dataclass(frozen=True, slots=True)
class Config:
    topology: topology.Topology
    secrets: Path

    def private_key(self, name: str) -> str:
        """The PEM of the Ed25519 key of a region or an edge."""
        return self._secret(f"{name}.pem").decode()

    def objects_secret(self, region: str) -> bytes:
        """What signs the URLs of the region's directory store."""
        return self._secret(f"{region}.objects")

    def _secret(self, file: str) -> bytes:
        try:
            return (self.secrets / file).read_bytes()
        except OSError as error:
            raise TopologyError(f"the secret {self.secrets / file} can't be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Stores:
    """One region's five stores, opened."""

    objects: Objects
    catalog: Catalog
    feeds: Feeds
    events: Events
    settings: Settings

    def close(self) -> None:
        for store in (self.catalog, self.feeds, self.events, self.settings):
            store.close()


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Raises TopologyError, with a sentence that says what to mend."""
    try:
        text = path.read_text()
    except OSError as error:
        raise TopologyError(f"the topology {path} can't be read: {error.strerror}") from error
    names = topology.parse(text)
    overrides = _overrides([*names.regions, *names.edges], environ)
    secrets = Path(environ.get(f"{_PREFIX}SECRETS", path.parent / "secrets"))
    return Config(topology.parse(text, overrides), secrets)


def open_stores(config: Config, region: str) -> Stores:
    node = config.topology.regions[region]
    return Stores(
        open_objects(config, region),
        _open("catalog", node.catalog),
        _open("feeds", node.feeds),
        _open("events", node.events),
        _open("settings", node.settings),
    )


def open_objects(config: Config, region: str) -> Any:
    return _open("objects", config.topology.regions[region].objects, config.objects_secret(region))


def _overrides(names: list[str], environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    known = [field.name for kind in (topology.Region, topology.Edge) for field in fields(kind)]
    variables = {
        f"{_PREFIX}{name.upper().replace('-', '_')}_{field.upper()}": (name, field) for name in names for field in known
    }
    return {variables[variable]: value for variable, value in environ.items() if variable in variables}


def _open(port: str, url: str, *secrets: bytes) -> Any:
    scheme = urlsplit(url).scheme
    opener = _ADAPTERS.get((port, scheme))
    if opener is None:
        schemes = ", ".join(known for at, known in _ADAPTERS if at == port)
        raise TopologyError(f"{url!r}: no adapter for {port} has the scheme {scheme!r}; known: {schemes}")
    return opener(url, *secrets)


def _adapter(module: str, name: str) -> Any:
    """Adapters are imported when they are chosen, so that a process loads only the clients it uses."""
    return getattr(importlib.import_module(f"regions.stores.{module}"), name)


def _objects_directory(url: str, secret: bytes) -> Any:
    split = urlsplit(url)
    door = parse_qs(split.query).get("door", [""])[0]
    return _adapter("objects_directory", "ObjectsDirectory")(split.path, door, secret)


_ADAPTERS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("objects", "directory"): _objects_directory,
    ("catalog", "sqlite"): lambda url: _adapter("catalog_sqlite", "CatalogSqlite")(urlsplit(url).path),
    ("feeds", "sqlite"): lambda url: _adapter("feeds_sqlite", "FeedsSqlite")(urlsplit(url).path),
    ("events", "sqlite"): lambda url: _adapter("events_sqlite", "EventsSqlite")(urlsplit(url).path, now_ms),
    ("settings", "sqlite"): lambda url: _adapter("settings_sqlite", "SettingsSqlite")(urlsplit(url).path, now_ms),
}
