"""How a region on Cassandra gets its login: from a secret, or from the environment."""

import pytest

from regions.config import Config
from regions.errors import TopologyError
from regions.topology import Topology


@pytest.fixture
def login(tmp_path):
    """The login that a region has with that text in its secret file and in the environment."""

    def read(text: str | None = None, **given: str) -> tuple[str, str] | None:
        if text is not None:
            (tmp_path / "eu-west.catalog").write_text(text)
        return Config(Topology({}, {}), tmp_path, given).catalog_login("eu-west")

    return read


def test_a_login_is_two_lines(login):
    """A password may have spaces in it."""
    assert login("darkroom\na long secret\n") == ("darkroom", "a long secret")


def test_a_cassandra_without_a_login_needs_none(login):
    """As on a developer's machine."""
    assert login() is None


def test_a_login_in_the_environment_comes_before_the_file(login):
    """And needs none."""
    assert login("darkroom\nsecret", **{"eu-west.catalog": "other hush"}) == ("other", "hush")


def test_half_a_login_is_refused(login):
    """Without repeating what was there."""
    with pytest.raises(TopologyError, match="two lines") as refused:
        login("hush")
    assert "hush" not in str(refused.value)
