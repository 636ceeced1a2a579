"""The real Kafka of the tests."""

import os

import pytest


@pytest.fixture
def address() -> str:
    if "DARKROOM_TEST_KAFKA" not in os.environ:
        if os.environ.get("CI"):
            pytest.fail("DARKROOM_TEST_KAFKA must name the address of a Kafka: python -m deploy.servers run -- pytest")
        pytest.skip("DARKROOM_TEST_KAFKA is not set: python -m deploy.servers run -- pytest")
    return os.environ["DARKROOM_TEST_KAFKA"]
