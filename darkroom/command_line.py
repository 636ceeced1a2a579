"""Commands as a person types them, and is to type them. Pure."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path

DATA = Path("var")
"""The data folder, unless --data names another."""


def typed(command: str, data: Path, profile: str | None = None) -> str:
    """`command` in the same data folder and as the same person."""
    folder = f" --data {data}" if data != DATA else ""
    return f"darkroom{folder}{f' --as {profile}' if profile else ''} {command}"


def day_ms(text: str) -> int:
    """`2026-05-01` or `2026-05-01T12:30`, in UTC unless it has an offset, as Unix time. Raises ArgumentTypeError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date; write 2026-05-01, or 2026-05-01T12:30 (UTC)") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def reason(text: str) -> str:
    """Why something is done, which stays on record. Raises ArgumentTypeError if it says nothing."""
    if not text.strip():
        raise ArgumentTypeError("it says nothing; write in a few words why")
    return text.strip()
