"""What each janitor of a region says of itself in the settings: that it is there. So its absence is noticed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from regions import status_documents
from regions.stores.settings import Setting

PREFIX = "janitors/status/"
"""Of the settings with the statuses; behind it comes the process's name."""


@dataclass(frozen=True, slots=True)
class JanitorStatus:
    at_ms: int


def to_text(at_ms: int) -> str:
    return status_documents.to_text(JanitorStatus(at_ms))


def is_present(text: str, now_ms: int) -> bool:
    """Whether the janitor that wrote this is there."""
    status = status_documents.from_text(JanitorStatus, text)
    return status is not None and status_documents.is_present(status.at_ms, now_ms)


def count_present(settings: Mapping[str, Setting], now_ms: int) -> int:
    """How many janitors are there; `settings` are all below `PREFIX`."""
    return sum(is_present(setting.value, now_ms) for setting in settings.values())
