"""Where a command gets a passphrase from: a file, the terminal, or, where nobody can type, a generator."""

import getpass
import re
import secrets
import sys
import unicodedata
from pathlib import Path

from darkroom.command_error import CommandError

# Without those that are easily confused.
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_FIRST_LINE = "It must have the passphrase in its first line."


def read_passphrase(file: Path | None, prompt: str = "Passphrase: ") -> str:
    """Of somebody who has one. Raises CommandError."""
    if file is not None:
        return _first_line(file)
    if not sys.stdin.isatty():
        raise CommandError("The passphrase is missing.", "Give it in a file: --passphrase-file FILE.", 2)
    return getpass.getpass(prompt)


def choose_passphrase(file: Path | None) -> tuple[str, bool]:
    """A new one, and whether it was generated, so that it must be shown. Raises CommandError."""
    if file is not None:
        return _first_line(file), False
    if not sys.stdin.isatty():
        return generate_passphrase(), True
    chosen = getpass.getpass("Choose a passphrase of at least 10 characters (empty: one is made for you): ")
    if not chosen:
        return generate_passphrase(), True
    if getpass.getpass("Once more: ") != chosen:
        raise CommandError("The two passphrases differ.", "Give the command again.", 2)
    return chosen, False


def generate_passphrase() -> str:
    """With more than 110 random bits, in groups that can be read and typed."""
    text = "".join(secrets.choice(_LETTERS) for _ in range(24))
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def propose_handle(name: str) -> str:
    """`ana_sofia` for `Ana Sofía`; `user` and digits for a name without Latin letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    handle = re.sub("[^a-z0-9]+", "_", plain).strip("_")[:24]
    return handle if len(handle) >= 2 else f"user_{another_number()}"


def another_number() -> int:
    """For a handle that is taken: `ana_4821`."""
    return secrets.randbelow(9000) + 1000


def _first_line(file: Path) -> str:
    try:
        lines = file.read_text().splitlines()
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{file} is not a text file.", "It must have the passphrase in its first line.", 2
        ) from error
    if not lines or not lines[0]:
        raise CommandError(f"{file} is empty.", "It must have the passphrase in its first line.", 2)
    return lines[0]
