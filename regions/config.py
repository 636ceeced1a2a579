"""The only module that reads the environment, and the only one that knows every adapter.

A topology file says which stores a region has; each value gives way to an environment variable
`DARKROOM_<NAME>_<FIELD>` (`DARKROOM_EU_WEST_CATALOG=sqlite:///…`). Secrets lie in a folder, one file each,
never in the topology; `DARKROOM_<REGION>_S3_KEYS` ("ACCESS SECRET") stands for the file `<region>.s3`, and
others as `_SECRET_VARIABLES` has them.
"""

import importlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
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
# Files of the secrets folder for which the environment may stand, and by which name.
_SECRET_VARIABLES = {
    "s3": "S3_KEYS",
    "catalog": "CATALOG_LOGIN",
    "feeds": "FEEDS_PASSWORD",
    "settings": "SETTINGS_TOKEN",
}


@dataclass(frozen=True, slots=True)
class Config:
    """`given` are secrets that the environment holds, by the name of the file that they stand for."""

    topology: topology.Topology
    secrets: Path
    given: Mapping[str, str] = field(default_factory=dict, repr=False)

    def private_key(self, name: str) -> str:
        """The PEM of the Ed25519 key of a region or an edge."""
        return self._secret(f"{name}.pem").decode()

    def objects_secret(self, region: str) -> bytes:
        """What signs the URLs of the region's directory store."""
        return self._secret(f"{region}.objects")

    def s3_keys(self, region: str) -> tuple[str, str]:
        """Access key and secret key of the region's S3 store, one a line in the file `{region}.s3`."""
        keys = self._secret(f"{region}.s3").decode().split()
        if len(keys) != 2:
            raise TopologyError(f"the secret {region}.s3 must be two lines: the access key and the secret key")
        return keys[0], keys[1]

    def catalog_login(self, region: str) -> tuple[str, str] | None:
        """Name and password for the region's Cassandra, one a line in the file `{region}.catalog`; None without it."""
        login = self._secret_if_any(f"{region}.catalog")
        if login is None:
            return None
        words = login.split(maxsplit=1)
        if len(words) != 2:
            raise TopologyError(f"the secret {region}.catalog must be two lines: the name and the password")
        return words[0], words[1]

    def feeds_password(self, region: str) -> str | None:
        """Of the region's Redis, in the file `{region}.feeds`; None where there is none."""
        return self._secret_if_any(f"{region}.feeds")

    def settings_token(self, region: str) -> str | None:
        """The ACL token for the region's Consul, in the file `{region}.settings`; None where there is none."""
        return self._secret_if_any(f"{region}.settings")

    def _secret_if_any(self, file: str) -> str | None:
        return self._secret(file).decode().strip() if file in self.given or (self.secrets / file).exists() else None

    def _secret(self, file: str) -> bytes:
        if file in self.given:
            return self.given[file].encode()
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
    except UnicodeDecodeError as error:
        raise TopologyError(f"the topology {path} can't be read: it is no UTF-8 text") from error
    names = topology.parse(text)
    overrides = _overrides([*names.regions, *names.edges], environ)
    secrets = Path(environ.get(f"{_PREFIX}SECRETS", path.parent / "secrets"))
    given = {
        f"{name}.{file}": environ[variable]
        for name in names.regions
        for file, key in _SECRET_VARIABLES.items()
        if (variable := _variable(name, key)) in environ
    }
    return Config(topology.parse(text, overrides), secrets, given)


def open_stores(config: Config, region: str) -> Stores:
    """All five, or none: whoever tries again leaves no connections behind. Raises TopologyError, Unavailable."""
    with ExitStack() as opened:
        stores = {}
        for port in fields(Stores):
            stores[port.name] = open_store(config, region, port.name)
            if port.name != "objects":
                opened.callback(stores[port.name].close)
        opened.pop_all()
    return Stores(**stores)


def open_objects(config: Config, region: str) -> Any:
    return open_store(config, region, "objects")


def open_store(config: Config, region: str, port: str) -> Any:
    """One of the five, by the name that it has in `Stores`. Raises TopologyError, Unavailable."""
    url = getattr(config.topology.regions[region], port)
    scheme = urlsplit(url).scheme
    opener = _ADAPTERS.get((port, scheme))
    if opener is None:
        schemes = ", ".join(known for at, known in _ADAPTERS if at == port)
        raise TopologyError(f"{url!r}: no adapter for {port} has the scheme {scheme!r}; known: {schemes}")
    return opener(url, config, region)


def _overrides(names: list[str], environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    known = [one.name for kind in (topology.Region, topology.Edge) for one in fields(kind)]
    variables = {_variable(name, key): (name, key) for name in names for key in known}
    return {variables[variable]: value for variable, value in environ.items() if variable in variables}


def _variable(name: str, key: str) -> str:
    return f"{_PREFIX}{name.upper().replace('-', '_')}_{key.upper()}"


def _adapter(module: str, name: str) -> Any:
    """Adapters are imported when they are chosen, so that a process loads only the clients it uses."""
    return getattr(importlib.import_module(f"regions.stores.{module}"), name)


def _objects_directory(url: str, config: Config, region: str) -> Any:
    split = urlsplit(url)
    door = parse_qs(split.query).get("door", [""])[0]
    return _adapter("objects_directory", "ObjectsDirectory")(split.path, door, config.objects_secret(region))


def _objects_s3(url: str, config: Config, region: str) -> Any:
    credentials = _adapter("s3_session", "Credentials")(*config.s3_keys(region))
    return _adapter("objects_s3", "ObjectsS3")(_adapter("s3_session", "parse_address")(url), credentials)


def _catalog_cassandra(url: str, config: Config, region: str) -> Any:
    return _adapter("catalog_cassandra", "CatalogCassandra")(url, config.catalog_login(region))


def _feeds_redis(url: str, config: Config, region: str) -> Any:
    return _adapter("feeds_redis", "FeedsRedis")(url, config.feeds_password(region))


def _settings_sqlite(url: str, *_: Any) -> Any:
    return _adapter("settings_sqlite", "SettingsSqlite")(urlsplit(url).path, now_ms)


def _settings_consul(url: str, config: Config, region: str) -> Any:
    address = _adapter("consul_connection", "parse_address")(url)
    return _adapter("settings_consul", "SettingsConsul")(address, config.settings_token(region), now_ms)


_ADAPTERS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("objects", "directory"): _objects_directory,
    ("objects", "s3"): _objects_s3,
    ("catalog", "sqlite"): lambda url, *_: _adapter("catalog_sqlite", "CatalogSqlite")(urlsplit(url).path),
    ("catalog", "cassandra"): _catalog_cassandra,
    ("feeds", "sqlite"): lambda url, *_: _adapter("feeds_sqlite", "FeedsSqlite")(urlsplit(url).path),
    ("feeds", "redis"): _feeds_redis,
    ("events", "sqlite"): lambda url, *_: _adapter("events_sqlite", "EventsSqlite")(urlsplit(url).path, now_ms),
    ("events", "kafka"): lambda url, *_: _adapter("events_kafka", "EventsKafka")(url),
    ("settings", "sqlite"): _settings_sqlite,
    ("settings", "consul"): _settings_consul,
}
