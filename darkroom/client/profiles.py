"""The users who signed up or in on this machine: one file for each in the `--data` folder, readable by its owner alone.

A file has what signs its user in again. It is replaced as a whole, under a lock, so that two commands at once do not
both exchange the same refresh token.
"""

import fcntl
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from darkroom.client.keyring import SavedSession
from darkroom.command_error import CommandError
from darkroom.local import addresses
from darkroom.local.private_files import write_private

_PROFILES = "profiles"


@dataclass(frozen=True, slots=True)
class Profile:
    """A user who is signed in here. `edge` and `home` are URLs or names of edges.

    A name stays valid if the ports change at a restart. `home` is the shield of the user's home region.
    """

    name: str
    edge: str
    home: str
    id: str
    handle: str
    session: str
    refresh_token: str
    pending_key: str = ""


class ProfileStore:
    """The session of a profile, for a `Client`."""

    def __init__(self, data: Path, name: str) -> None:
        self._data, self._name = data, name

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Waits for other commands of this user. The lock ends with the process that holds it."""
        with _path(self._data, self._name).with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self) -> SavedSession:
        """Raises CommandError."""
        found = profile(self._data, self._name)
        home = addresses.edge_url(self._data, found.home)
        return SavedSession(found.id, found.handle, home, found.session, found.refresh_token, found.pending_key)

    def write(self, session: SavedSession) -> None:
        """Does not make it the default: that is the one that signed in last."""
        path = _path(self._data, self._name)
        accessed = path.stat()
        found = replace(
            profile(self._data, self._name), refresh_token=session.refresh_token, pending_key=session.pending_key
        )
        write_private(path, json.dumps(asdict(found)).encode(), (accessed.st_atime_ns, accessed.st_mtime_ns))


def require_unused(data: Path, name: str, handle: str = "") -> None:
    """Raises CommandError if there is such a profile, unless it is that of the user with this handle."""
    path = _path(data, name)
    if path.exists() and profile(data, name).handle != handle:
        raise CommandError(
            f"Somebody is signed in here as {profile_name(name)}, by {path}.",
            "Choose another name with --as NAME; --replace forgets that session here, and does not end it.",
        )


def keep(data: Path, name: str, edge: str, session: SavedSession) -> Profile:
    """Stores the profile, readable by its owner alone, and makes it the default."""
    made = Profile(
        name=profile_name(name),
        edge=edge,
        home=addresses.edge_name(data, session.home) or session.home,
        id=session.id,
        handle=session.handle,
        session=session.session,
        refresh_token=session.refresh_token,
    )
    path = _path(data, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(asdict(made)).encode())
    return made


def profile(data: Path, name: str | None) -> Profile:
    """The named profile, or the one that signed up or in last. Raises CommandError."""
    stored = sorted((data / _PROFILES).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    paths = [_path(data, name)] if name else stored
    try:
        return Profile(**json.loads(paths[-1].read_text()))
    except (IndexError, OSError) as error:
        who = f"as {name}" if name else "yet"
        known = ", ".join(sorted(path.stem for path in stored))
        also = f" Signed in here: {known}." if known else ""
        first = "Run `darkroom signup --name … --country …` or `darkroom signin HANDLE` first"
        advice = f"{first}, or name another folder with --data.{also}"
        raise CommandError(f"Nobody has signed in {who}: {data / _PROFILES} was looked in.", advice) from error
    except (ValueError, TypeError) as error:
        advice = "An older version wrote it, or it is damaged. Delete it, and sign in or up again."
        raise CommandError(f"{paths[-1]} can't be read.", advice) from error


def find(data: Path, name: str) -> Profile | None:
    """Raises CommandError if the profile exists and can't be read."""
    return profile(data, name) if _path(data, name).exists() else None


def forget(data: Path, name: str) -> None:
    """Idempotent."""
    _path(data, name).unlink(missing_ok=True)


def profile_name(name: str) -> str:
    """The profile name for a user's name: `ana-sofia` for `Ana Sofia`."""
    return re.sub(r"\W+", "-", name.lower()).strip("-") or "me"


def _path(data: Path, name: str) -> Path:
    return data / _PROFILES / f"{profile_name(name)}.json"
