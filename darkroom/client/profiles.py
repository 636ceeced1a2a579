"""The people who have signed up from this machine: one file each in the `--data` folder."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from darkroom.command_error import CommandError
from darkroom.local.private_files import write_private

_PROFILES = "profiles"


@dataclass(frozen=True, slots=True)
class Profile:
    """Someone who signed up here. `edge` is a name, so that it outlives a restart on other ports, or a URL."""

    name: str
    edge: str
    id: str
    token: str


def keep(data: Path, profile: Profile) -> Path:
    """Stores the profile, readable by its owner alone, and makes it the default."""
    path = _path(data, profile.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(asdict(profile)).encode())
    return path


def profile(data: Path, name: str | None) -> Profile:
    """The named profile, else the one that signed up last. Raises CommandError."""
    paths = [_path(data, name)] if name else sorted((data / _PROFILES).glob("*.json"), key=_modified_ns)
    try:
        return Profile(**json.loads(paths[-1].read_text()))
    except (IndexError, OSError) as error:
        who = f"as {name}" if name else "yet"
        known = ", ".join(sorted(path.stem for path in (data / _PROFILES).glob("*.json")))
        also = f" Signed up here: {known}." if known else ""
        advice = f"Run `darkroom signup --name … --country …` first.{also}"
        raise CommandError(f"Nobody has signed up {who}.", advice) from error
    except (ValueError, TypeError) as error:
        raise CommandError(f"{paths[-1]} can't be read.", "Delete it and sign up again.") from error


def profile_name(name: str) -> str:
    """A person's name as the name of their profile: `Ana Sofia` is `ana-sofia`."""
    return re.sub(r"\W+", "-", name.lower()).strip("-") or "me"


def _path(data: Path, name: str) -> Path:
    return data / _PROFILES / f"{profile_name(name)}.json"


def _modified_ns(path: Path) -> int:
    return path.stat().st_mtime_ns
