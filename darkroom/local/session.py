"""What the command remembers in its `--data` folder: where the running system is, and who has signed up."""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from darkroom.local.machine import Addresses

ADDRESSES = "addresses.json"
TOPOLOGY = "topology.toml"
_PROFILES = "profiles"


class CommandError(Exception):
    """A command that can't go on: what is wrong, and what to do next. `exit_code` is 2 where the usage is wrong."""

    def __init__(self, message: str, advice: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message, self.advice, self.exit_code = message, advice, exit_code


@dataclass(frozen=True, slots=True)
class Profile:
    """Someone who signed up here. `edge` is a name, so that it outlives a restart on other ports, or a URL."""

    name: str
    edge: str
    id: str
    token: str


def addresses(data: Path) -> Addresses:
    """Raises CommandError where no system has been started in this folder."""
    try:
        return Addresses(**json.loads((data / ADDRESSES).read_text()))
    except FileNotFoundError as error:
        raise CommandError(
            f"No system is running here: there is no {data / ADDRESSES}.",
            "Run `darkroom up` first (and leave it running), or name its folder with --data.",
        ) from error
    except (ValueError, TypeError) as error:
        raise CommandError(f"{data / ADDRESSES} can't be read.", "Run `darkroom up` again.") from error


def edge_url(data: Path, edge: str | None) -> str:
    """The URL of an edge by name or URL; without either, of the first there is. Raises CommandError."""
    if edge is not None and re.match("https?://", edge):
        return edge
    edges = addresses(data).edges
    name = edge or next(iter(edges), "")
    if name not in edges:
        known = ", ".join(edges)
        raise CommandError(f"There is no edge called {name!r}.", f"Known here: {known}; a URL will do too.", 2)
    return edges[name]


def keep(data: Path, profile: Profile) -> Path:
    """Stores the profile, readable by its owner alone, and makes it the default."""
    path = _path(data, profile.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(profile), file)
    fresh.replace(path)
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
