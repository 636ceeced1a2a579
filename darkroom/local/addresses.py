"""The addresses of the running system, which the launcher writes into the `--data` folder."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from darkroom.command_error import CommandError

ADDRESSES = "addresses.json"
TOPOLOGY = "topology.toml"


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs by name."""

    edges: Mapping[str, str]
    origins: Mapping[str, str]
    objects: Mapping[str, str]


def addresses(data: Path) -> Addresses:
    """Raises CommandError if no system is running in this folder."""
    try:
        return Addresses(**json.loads((data / ADDRESSES).read_text()))
    except FileNotFoundError as error:
        raise CommandError(
            f"No system is running here: there is no {data / ADDRESSES}.",
            "Run `darkroom up` first (and keep it running), or name its folder with --data.",
        ) from error
    except (ValueError, TypeError) as error:
        raise CommandError(f"{data / ADDRESSES} can't be read.", "Run `darkroom up` again.") from error


def edge_name(data: Path, url: str) -> str | None:
    """The edge of the system in this folder that has this URL; None if none has, or no system runs here."""
    if not (data / ADDRESSES).exists():
        return None
    return next((name for name, known in addresses(data).edges.items() if known == url), None)


def edge_url(data: Path, edge: str | None) -> str:
    """The URL of an edge, given its name or URL; by default, of the first edge. Raises CommandError."""
    if edge is not None and re.match("https?://", edge):
        return edge
    edges = addresses(data).edges
    name = edge or next(iter(edges), "")
    if name not in edges:
        known = ", ".join(edges)
        raise CommandError(f"There is no edge called {name!r}.", f"Known here: {known}. You can also give a URL.", 2)
    return edges[name]
