"""The configuration: the topology, overrides in the environment, and secrets. Stores are opened by their URLs."""

import os
from pathlib import Path

import pytest

from darkroom.local.compliance import signers_text
from regions import config, keys
from regions.errors import StoreMissing, TopologyError, Unavailable
from regions.preparation import prepare_region
from regions.residency.statement import Purpose
from regions.stores.objects import RAW
from tests.builders.statements import Compliance, node_key
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

[edges.lisbon]
jurisdiction = "EU"
latitude = 38.7
longitude = -9.1
url = "http://127.0.0.1:9003"
cache = "{data}/cache"
shield_of = "eu-west"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A topology whose stores are in the same folder, and its secrets."""
    path = tmp_path / "topology.toml"
    path.write_text(TOPOLOGY.format(data=tmp_path))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "eu-west.node.k1.pem").write_text(keys.private_pem(node_key("eu-west")))
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
        ("DARKROOM_EU_WEST_JURISDICTION", "eu-west", "jurisdiction"),
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
    """A region's private keys by purpose and id, and the key that signs its URLs, byte for byte."""
    loaded = config.load(file, {})
    assert list(loaded.private_keys("eu-west", Purpose.NODE)) == ["k1"]
    assert loaded.objects_secret("eu-west") == b"\x00secret\xff"


def test_the_environment_can_name_another_folder_of_secrets(file, tmp_path):
    """For example where a secret store is mounted."""
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "eu-west.node.k2.pem").write_text(keys.private_pem(node_key("eu-west")))
    loaded = config.load(file, {"DARKROOM_SECRETS": str(tmp_path / "mounted")})
    assert list(loaded.private_keys("eu-west", Purpose.NODE)) == ["k2"]


def test_a_missing_secret_is_named(file):
    """By its path, which is not secret."""
    with pytest.raises(TopologyError, match=r"lisbon\.node\.ID\.pem"):
        config.load(file, {}).private_keys("lisbon", Purpose.NODE)
    (file.parent / "secrets" / "lisbon.node.k1.pem").write_text("no key")
    with pytest.raises(TopologyError, match="not a private key"):
        config.load(file, {}).private_keys("lisbon", Purpose.NODE)


def test_the_signers_are_in_a_file_beside_the_topology(file, tmp_path):
    """Or where the environment says. What is no list of signers is refused."""
    with pytest.raises(TopologyError, match=r"signers\.json"):
        config.load(file, {}).signers()
    team = Compliance(3, 2).signers
    (tmp_path / "signers.json").write_text(signers_text(team))
    assert config.load(file, {}).signers() == team
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(TopologyError, match=r"other\.json"):
        config.load(file, {"DARKROOM_SIGNERS": str(tmp_path / "other.json")}).signers()


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
