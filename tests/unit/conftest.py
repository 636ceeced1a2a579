"""Fixtures of all unit tests."""

from tests.builders.embedded import catalog, clock, events, settings

__all__ = ["catalog", "clock", "events", "settings"]
