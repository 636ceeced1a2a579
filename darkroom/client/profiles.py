"""The users who signed up on this machine: one file for each in the `--data` folder."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from darkroom.command_error import CommandError
from darkroom.local.private_files import write_private

_PROFILES = "profiles"


@dataclass(frozen=True, slots=True)
class Profile:
    """A user who signed up here. `edge` is a URL or a name; a name stays valid if the ports change at a restart."""

    name: str
    edge: str
    id: str
    token: str


def require_unused(data: Path, name: str) -> None:
    """Raises CommandError if there is such a profile: it has the only token of an account."""
    path = _path(data, name)
    if path.exists():
        raise CommandError(
            f"Somebody has signed up here as {profile_name(name)}, and the account's only token is in {path}.",
            "Choose another name with --as NAME; --replace signs up anew, and nobody can use that account again.",
        )


def keep(data: Path, profile: Profile) -> Path:
    """Stores the profile, readable by its owner alone, and makes it the default."""
    path = _path(data, profile.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(asdict(profile)).encode())
    return path


def profile(data: Path, name: str | None) -> Profile:
    """The named profile, or the one that signed up last. Raises CommandError."""
    stored = sorted((data / _PROFILES).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    paths = [_path(data, name)] if name else stored
    try:
        return Profile(**json.loads(paths[-1].read_text()))
    except (IndexError, OSError) as error:
        who = f"as {name}" if name else "yet"
        known = ", ".join(sorted(path.stem for path in stored))
        also = f" Signed up here: {known}." if known else ""
        advice = f"Run `darkroom signup --name … --country …` first.{also}"
        raise CommandError(f"Nobody has signed up {who}.", advice) from error
    except (ValueError, TypeError) as error:
        raise CommandError(f"{paths[-1]} can't be read.", "Delete it and sign up again.") from error


def find(data: Path, name: str) -> Profile | None:
    """Raises CommandError if the profile exists and can't be read."""
    return profile(data, name) if _path(data, name).exists() else None


def profile_name(name: str) -> str:
    """The profile name for a user's name: `ana-sofia` for `Ana Sofia`."""
    return re.sub(r"\W+", "-", name.lower()).strip("-") or "me"


def _path(data: Path, name: str) -> Path:
    return data / _PROFILES / f"{profile_name(name)}.json"
