"""How a region gets its Redis and its Kafka: the URL from the topology, a password from a secret or the environment."""

import sys
from contextlib import closing

import pytest

from regions import config
from regions.config import Config
from regions.errors import ClientMissing, Unavailable
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.topology import Topology
from tests.builders.topologies import one_region


@pytest.fixture
def password(tmp_path):
    """Reads the region's password, with `text` in its secret file and `secrets` in the environment."""

    def read(text: str | None = None, **secrets: str) -> str | None:
        if text is not None:
            (tmp_path / "eu-west.feeds").write_text(text)
        return Config(Topology({}, {}), tmp_path, secrets).feeds_password("eu-west")

    return read


def test_the_password_is_the_text_of_its_file_without_the_end_of_line(password):
    assert password("a long secret\n") == "a long secret"


def test_without_a_secret_there_is_no_password(password):
    """As on a developer's machine."""
    assert password() is None


def test_a_password_in_the_environment_takes_precedence_over_the_file(password):
    assert password("secret", **{"eu-west.feeds": "hush"}) == "hush"


def test_redis_and_kafka_are_chosen_by_the_schemes_of_their_urls(tmp_path):
    """Opening them does not connect. The first call does, and raises Unavailable."""
    (tmp_path / "topology.toml").write_text(
        one_region(
            tmp_path, feeds="redis://127.0.0.1:1/0?prefix=eu-west:", events="kafka://127.0.0.1:1,127.0.0.1:2/eu-west"
        )
    )
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "eu-west.objects").write_text("secret")
    loaded = config.load(tmp_path / "topology.toml", {})
    with (
        closing(config.open_feeds(loaded, "eu-west")) as feeds,
        closing(config.open_events(loaded, "eu-west")) as events,
    ):
        with pytest.raises(Unavailable, match="the feeds do not answer"):
            feeds.page("u_1", None, 1)
        with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1"):
            events.publish([Event(PHOTO_READY, "p_1", "1", 1, {})])


def test_a_missing_client_is_named(tmp_path, monkeypatch):
    """With the extra that contains it."""
    (tmp_path / "topology.toml").write_text(one_region(tmp_path, feeds="redis://127.0.0.1:1/0"))
    for module in [name for name in sys.modules if name.startswith("regions.stores.redis")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ClientMissing, match="the library redis of the extra `stores`"):
        config.open_feeds(config.load(tmp_path / "topology.toml", {}), "eu-west")
