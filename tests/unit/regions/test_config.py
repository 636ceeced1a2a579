"""The configuration: the topology, overrides in the environment, and secrets. Stores are opened by their URLs."""

import os
from pathlib import Path

import pytest

from regions import config
from regions.errors import StoreMissing, TopologyError, Unavailable
from regions.preparation import prepare_region
from regions.stores.objects import RAW
from tests.builders.stores import created

TOPOLOGY = """
[regions.eu-west]
number = 1
jurisdiction = "EU"
latitude = 53.3
longitude = -6.2
origin = "http://127.0.0.1:9001"
objects = "directory://{data}/objects?server=http://127.0.0.1:9002"
catalog = "sqlite://{data}/catalog.db"
feeds = "sqlite://{data}/feeds.db"
events = "sqlite://{data}/events.db"
settings = "sqlite://{data}/settings.db"
public_key = "PEM"

[edges.lisbon]
jurisdiction = "EU"
latitude = 38.7
longitude = -9.1
url = "http://127.0.0.1:9003"
cache = "{data}/cache"
public_key = "PEM"
shield_of = "eu-west"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A topology whose stores are in the same folder, and its secrets."""
    path = tmp_path / "topology.toml"
    path.write_text(TOPOLOGY.format(data=tmp_path))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "eu-west.pem").write_text("a private key")
    (tmp_path / "secrets" / "eu-west.objects").write_bytes(b"\x00secret\xff")
    return path


def test_a_topology_is_read_from_its_file(file):
    """Without any variable in the environment."""
    loaded = config.load(file, {})
    assert loaded.topology.regions["eu-west"].origin == "http://127.0.0.1:9001"
    assert loaded.topology.edges["lisbon"].shield_of == "eu-west"


@pytest.mark.parametrize(
    ("variable", "node", "field"),
    [
        ("DARKROOM_EU_WEST_CATALOG", "eu-west", "catalog"),
        ("DARKROOM_EU_WEST_PUBLIC_KEY", "eu-west", "public_key"),
        ("DARKROOM_EU_WEST_SCHEDULER", "eu-west", "scheduler"),
        ("DARKROOM_LISBON_CACHE", "lisbon", "cache"),
    ],
)
def test_the_environment_overrides_a_value(file, variable, node, field):
    """Of one region or edge."""
    topology = config.load(file, {variable: "elsewhere"}).topology
    nodes = {**topology.regions, **topology.edges}
    assert getattr(nodes[node], field) == "elsewhere"


def test_the_environment_overrides_a_number(file):
    """A variable is text, and becomes a number."""
    environ = {"DARKROOM_EU_WEST_NUMBER": "7", "DARKROOM_EU_WEST_LATITUDE": "1.5"}
    region = config.load(file, environ).topology.regions["eu-west"]
    assert (region.number, region.latitude) == (7, 1.5)


def test_other_variables_change_nothing(file):
    """Those of other programs, of unknown regions, of unknown fields, or in lower case."""
    others = ["PATH", "DARKROOM_MARS_CATALOG", "darkroom_eu_west_catalog", "DARKROOM_EU_WEST_COLOUR"]
    assert config.load(file, dict.fromkeys(others, "x")) == config.load(file, {})


def test_an_invalid_override_is_rejected(file):
    """As it would be in the file."""
    with pytest.raises(TopologyError, match="number"):
        config.load(file, {"DARKROOM_EU_WEST_NUMBER": "seven"})


@pytest.mark.parametrize("make", [Path.exists, Path.mkdir, lambda path: path.write_bytes(b"\xff\xfe")])
def test_a_file_that_can_not_be_read_is_named(tmp_path, make):
    """Missing, a folder, or not text."""
    path = tmp_path / "topology.toml"
    make(path)
    with pytest.raises(TopologyError, match=r"topology\.toml"):
        config.load(path, {})


def test_secrets_are_in_a_folder_beside_the_topology(file):
    """A region's private key, and the key that signs its URLs, byte for byte."""
    loaded = config.load(file, {})
    assert loaded.private_key("eu-west") == "a private key"
    assert loaded.objects_secret("eu-west") == b"\x00secret\xff"


def test_the_environment_can_name_another_folder_of_secrets(file, tmp_path):
    """For example where a secret store is mounted."""
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "eu-west.pem").write_text("another key")
    loaded = config.load(file, {"DARKROOM_SECRETS": str(tmp_path / "mounted")})
    assert loaded.private_key("eu-west") == "another key"


def test_a_missing_secret_is_named(file):
    """By its path, which is not secret."""
    with pytest.raises(TopologyError, match=r"lisbon\.pem"):
        config.load(file, {}).private_key("lisbon")


def test_five_stores_open_by_their_urls(file, tmp_path):
    """The objects need no closing."""
    prepare_region(config.load(file, {}), "eu-west")
    stores = config.open_stores(config.load(file, {}), "eu-west")
    try:
        assert stores.catalog.users.get("u_00000000001") is None
        assert not stores.feeds.page("u_00000000001", None, 9)
        assert stores.settings.values.read("nothing") is None
        assert not any(stores.events.lag("photo_ready", "fanout").values())
    finally:
        stores.close()
    assert {path.stem for path in tmp_path.glob("*.db")} == {"catalog", "feeds", "events", "settings"}


def test_urls_of_objects_use_the_object_server(file):
    """The one in the store's URL, signed with the region's secret."""
    loaded = config.load(file, {})
    objects = created(config.locate_objects(loaded, "eu-west"))
    assert objects.sign_get(RAW, "ab/p", 1).startswith("http://127.0.0.1:9002/object/raw/ab/p?")
    assert objects.secret == b"\x00secret\xff"


@pytest.mark.parametrize("url", ["oracle://db", "catalog.db", "", "directory:///tmp"])
def test_a_url_without_an_adapter_is_rejected(file, url):
    """The message lists the known schemes."""
    loaded = config.load(file, {"DARKROOM_EU_WEST_CATALOG": url})
    with pytest.raises(TopologyError, match="sqlite"):
        config.open_stores(loaded, "eu-west")


def test_the_text_of_a_config_contains_no_secret(file):
    """It may get into a log."""
    loaded = config.load(file, {"DARKROOM_EU_WEST_S3_KEYS": "access hush"})
    assert loaded.s3_keys("eu-west") == ("access", "hush")
    assert "hush" not in repr(loaded)


@pytest.mark.parametrize("keys", ["", "one", "one two three"])
def test_s3_keys_must_be_a_pair(file, keys):
    """The error names the file and does not contain its content."""
    (file.parent / "secrets" / "eu-west.s3").write_text(keys)
    with pytest.raises(TopologyError, match=r"eu-west\.s3") as raised:
        config.load(file, {}).s3_keys("eu-west")
    assert "one" not in str(raised.value)


def test_a_settings_token_is_optional(file):
    """The environment takes precedence over the file."""
    assert config.load(file, {}).settings_token("eu-west") is None
    (file.parent / "secrets" / "eu-west.settings").write_text("hush-file\n")
    assert config.load(file, {}).settings_token("eu-west") == "hush-file"
    configured = config.load(file, {"DARKROOM_EU_WEST_SETTINGS_TOKEN": "hush-env"})
    assert configured.settings_token("eu-west") == "hush-env"
    assert "hush" not in repr(configured)


def test_stores_are_opened_all_or_none(file, tmp_path):
    """If the last one can't be opened, the others are closed: no SQLite file is left open."""
    prepare_region(config.load(file, {}), "eu-west")
    environ = {"DARKROOM_EU_WEST_SETTINGS": f"sqlite://{tmp_path}/none.db"}
    with pytest.raises(StoreMissing):
        config.open_stores(config.load(file, environ), "eu-west")
    open_files = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]
    assert [path for path in open_files if path.startswith(str(tmp_path)) and ".db" in path] == []


def test_settings_on_consul_open_by_their_url(file):
    """Without a request to Consul, so that a process can start while Consul is down."""
    prepare_region(config.load(file, {}), "eu-west")
    environ = {"DARKROOM_EU_WEST_SETTINGS": "consul://127.0.0.1:1/eu-west"}
    stores = config.open_stores(config.load(file, environ), "eu-west")
    try:
        with pytest.raises(Unavailable):
            stores.settings.values.read("nothing")
    finally:
        stores.close()
