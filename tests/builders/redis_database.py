"""A database of the Redis under test, and a prefix of one's own in it."""

import os

import pytest


def fresh_url(database: int) -> str:
    """Skips the test without a Redis; in CI there must be one."""
    if "DARKROOM_TEST_REDIS" not in os.environ:
        if os.environ.get("CI"):
            pytest.fail("DARKROOM_TEST_REDIS must name the address of a Redis: python -m deploy.servers run -- pytest")
        pytest.skip("DARKROOM_TEST_REDIS is not set: python -m deploy.servers run -- pytest")
    return f"redis://{os.environ['DARKROOM_TEST_REDIS']}/{database}?prefix=test-{os.urandom(8).hex()}:"
