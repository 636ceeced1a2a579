"""How a region on Cassandra gets its login: from a secret, or from the environment."""

import pytest

from regions.config import Config
from regions.errors import TopologyError
from regions.topology import Topology


@pytest.fixture
def login(tmp_path):
    """The login of a region whose secret file contains `text`, with these secrets in the environment."""

    def read(text: str | None = None, **env_secrets: str) -> tuple[str, str] | None:
        if text is not None:
            (tmp_path / "eu-west.catalog").write_text(text)
        return Config(Topology({}, {}), tmp_path, env_secrets).catalog_login("eu-west")

    return read


def test_a_login_is_two_lines(login):
    """A password may contain spaces."""
    assert login("darkroom\na long secret\n") == ("darkroom", "a long secret")


def test_a_login_is_optional(login):
    """A developer's Cassandra has none."""
    assert login() is None


def test_a_login_in_the_environment_comes_before_the_file(login):
    """No file is needed then."""
    assert login("darkroom\nsecret", **{"eu-west.catalog": "other hush"}) == ("other", "hush")


def test_half_a_login_is_rejected(login):
    """The message does not repeat the secret."""
    with pytest.raises(TopologyError, match="two lines") as raised:
        login("hush")
    assert "hush" not in str(raised.value)
