"""Commands as a person is to type them, in what we print. Pure."""

from pathlib import Path

DATA = Path("var")
"""The data folder, unless --data names another."""


def typed(command: str, data: Path, profile: str | None = None) -> str:
    """`command` in the same data folder and as the same person."""
    folder = f" --data {data}" if data != DATA else ""
    return f"darkroom{folder}{f' --as {profile}' if profile else ''} {command}"
