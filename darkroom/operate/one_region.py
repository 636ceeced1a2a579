"""The region that an operator's command names, or all of them."""

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.local.addresses import TOPOLOGY
from regions import config
from regions.config import Config
from regions.topology import Region


def of(options: Namespace) -> tuple[Config, Region]:
    """The configuration, and the region in it. Raises CommandError, TopologyError."""
    loaded = config.load(_file(options), os.environ)
    return loaded, loaded.topology.regions[named_or_first(loaded, options)]


def named_or_all(options: Namespace) -> tuple[Config, list[str]]:
    """The configuration, and the region's name, or without one those of all. Raises CommandError, TopologyError."""
    loaded = config.load(_file(options), os.environ)
    return loaded, list(loaded.topology.regions) if options.region is None else [named_or_first(loaded, options)]


def named_or_first(loaded: Config, options: Namespace) -> str:
    """The region's name. Raises CommandError if the topology has none of that name."""
    if options.region is None:
        return next(iter(loaded.topology.regions))
    return require(loaded, options, str(options.region))


def require(loaded: Config, options: Namespace, name: str) -> str:
    """The name, if the topology has a region with it; else raises CommandError."""
    regions = loaded.topology.regions
    if name not in regions:
        raise CommandError(
            f"{_file(options)} has no region {terminal.plain(name)}.", f"It has {', '.join(regions)}.", 2
        )
    return name


def with_lane_to(loaded: Config, options: Namespace, homes: Sequence[str], destination: str) -> list[str]:
    """Those of the regions `homes` that have a lane to it, at least one; else raises CommandError."""
    require(loaded, options, destination)
    if homes == [destination]:
        others = ", ".join(name for name in loaded.topology.regions if name != destination)
        raise CommandError(f"{destination} has no lane to {destination}.", f"It has lanes to {others}.", 2)
    return [home for home in homes if home != destination]


def _file(options: Namespace) -> Path:
    return Path(options.topology or options.data / TOPOLOGY)
