"""`darkroom prepare`: before a system's first start, what its stores need, and a policy where there is none.

Safe to do again, and by several at once: buckets, folders and tables that are there stay, and so does a policy.
"""

import os
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.local import data_folder
from darkroom.local.addresses import TOPOLOGY
from regions import config
from regions.config import Config
from regions.errors import PolicyError
from regions.stores.settings import POLICY


def command(options: Namespace) -> int:
    """Runs `darkroom prepare`."""
    return main(options.topology or options.data / TOPOLOGY)


def main(topology: Path) -> int:
    """Raises CommandError where a region has no policy and the one that we ship is none for this topology."""
    loaded, console = config.load(topology, os.environ), Console()
    lacking = []
    for region in loaded.topology.regions:
        if not prepare(loaded, region):
            lacking.append(region)
        console.print("[green]✓[/] The stores of", terminal.text(region), "are ready.")
    if lacking:
        _publish(loaded)
        console.print("[green]✓[/] The policy that we ship is published in", terminal.text(", ".join(lacking)) + ".")
    return 0


def prepare(loaded: Config, region: str) -> bool:
    """Opens all five, which makes files and tables, and prepares the objects; whether the region has a policy."""
    stores = config.open_stores(loaded, region)
    try:
        stores.objects.prepare()
        return stores.settings.values.read(POLICY) is not None
    finally:
        stores.close()


def _publish(loaded: Config) -> None:
    try:
        data_folder.publish_policy(loaded)
    except PolicyError as error:
        raise CommandError(
            f"The policy that we ship does not fit this topology: {error}.",
            "Write one that does into the setting residency/policy of every region.",
        ) from error
