"""How a region gets its Redis and its Kafka: the URL from the topology, a password from a secret or the environment."""

import pytest

from regions import config
from regions.config import Config
from regions.errors import Unavailable
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.topology import Topology
from tests.builders.topologies import one_region


@pytest.fixture
def password(tmp_path):
    """The password that a region has with that text in its secret file and in the environment."""

    def read(text: str | None = None, **given: str) -> str | None:
        if text is not None:
            (tmp_path / "eu-west.feeds").write_text(text)
        return Config(Topology({}, {}), tmp_path, given).feeds_password("eu-west")

    return read


def test_a_password_is_the_text_of_its_file(password):
    """Without the end of the line."""
    assert password("a long secret\n") == "a long secret"


def test_a_redis_without_a_password_needs_none(password):
    """As on a developer's machine."""
    assert password() is None


def test_a_password_in_the_environment_comes_before_the_file(password):
    """And needs none."""
    assert password("secret", **{"eu-west.feeds": "hush"}) == "hush"


def test_redis_and_kafka_are_chosen_by_their_schemes(tmp_path):
    """They are not reached before they are needed, and say then that nobody is there."""
    (tmp_path / "topology.toml").write_text(
        one_region(
            tmp_path, feeds="redis://127.0.0.1:1/0?prefix=eu-west:", events="kafka://127.0.0.1:1,127.0.0.1:2/eu-west"
        )
    )
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "eu-west.objects").write_text("secret")
    stores = config.open_stores(config.load(tmp_path / "topology.toml", {}), "eu-west")
    with pytest.raises(Unavailable, match="the feeds do not answer"):
        stores.feeds.page("u_1", None, 1)
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1"):
        stores.events.publish([Event(PHOTO_READY, "p_1", "1", 1, {})])
    stores.close()
