"""How a region on S3 gets its store: the URL from the topology, the keys from a secret."""

import pytest

from regions import config
from regions.errors import TopologyError
from tests.builders.topologies import one_region


@pytest.fixture
def load(tmp_path):
    """Reads the topology with this environment; `keys`, if given, are written into the secrets folder."""

    def load(keys: str | None = None, **environ: str) -> config.Config:
        (tmp_path / "topology.toml").write_text(one_region(tmp_path, objects="s3://darkroom?region=eu-west-1"))
        (tmp_path / "secrets").mkdir()
        if keys is not None:
            (tmp_path / "secrets" / "eu-west.s3").write_text(keys)
        return config.load(tmp_path / "topology.toml", environ)

    return load


def access_key_of(read: config.Config) -> str:
    """The access key with which the store was opened."""
    opened = config.open_objects(read, "eu-west")
    return str(opened._credentials.access_key)


def test_the_keys_are_two_lines_of_a_secret(load):
    """The store is opened with them, without a request."""
    assert access_key_of(load("FILEKEY\nhush\n")) == "FILEKEY"


def test_the_environment_comes_before_the_file(load):
    """The file is then ignored."""
    assert access_key_of(load("FILEKEY\nhush\n", DARKROOM_EU_WEST_S3_KEYS="ENVKEY hush")) == "ENVKEY"


def test_the_environment_needs_no_file(load):
    """For instance in a container."""
    assert access_key_of(load(DARKROOM_EU_WEST_S3_KEYS="ENVKEY hush")) == "ENVKEY"


@pytest.mark.parametrize("keys", [None, "", "ONLYONE", "one\ntwo\nthree"])
def test_a_secret_without_two_keys_is_rejected(load, keys):
    """The message names the secret, but does not repeat it."""
    read = load(keys)
    with pytest.raises(TopologyError, match=r"eu-west\.s3") as raised:
        config.open_objects(read, "eu-west")
    assert not keys or keys not in str(raised.value)


def test_secrets_are_not_printed(load):
    """A config may end up in a log."""
    assert "hush" not in repr(load(DARKROOM_EU_WEST_S3_KEYS="ENVKEY hush"))
