"""Fixtures of all unit tests."""

from tests.builders.embedded import catalog, clock, events, settings
from tests.builders.processes import in_background

__all__ = ["catalog", "clock", "events", "in_background", "settings"]
