"""The region that an operator's command names."""

import os
from argparse import Namespace

from darkroom.command_error import CommandError
from darkroom.local.addresses import TOPOLOGY
from regions import config
from regions.config import Config
from regions.topology import Region


def of(options: Namespace) -> tuple[Config, Region]:
    """The configuration, and the region in it. Raises CommandError, TopologyError."""
    file = options.topology or options.data / TOPOLOGY
    loaded = config.load(file, os.environ)
    region = loaded.topology.regions.get(options.region)
    if region is None:
        raise CommandError(
            f"{file} has no region {options.region}.", f"It has {', '.join(loaded.topology.regions)}.", 2
        )
    return loaded, region
