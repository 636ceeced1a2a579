"""`darkroom prepare`: creates what the stores need before a system's first start, and a policy if there is none.

Idempotent, and safe to run several times in parallel: existing buckets, folders, tables and policies stay as they are.
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
    """Raises CommandError if a region has no policy and the default policy does not fit this topology."""
    loaded, console = config.load(topology, os.environ), Console()
    without_policy = []
    for region in loaded.topology.regions:
        if not prepare(loaded, region):
            without_policy.append(region)
        console.print("[green]✓[/] The stores of", terminal.text(region), "are ready.")
    if without_policy:
        try:
            data_folder.publish_policy(loaded)
        except PolicyError as error:
            raise CommandError(
                f"The default policy does not fit this topology: {error}.",
                "Write a policy that fits into the setting residency/policy of every region.",
            ) from error
        console.print("[green]✓[/] The default policy is published in", terminal.text(", ".join(without_policy)) + ".")
    return 0


def prepare(loaded: Config, region: str) -> bool:
    """Prepares the region's stores; opening all five creates files and tables. True if the region has a policy."""
    stores = config.open_stores(loaded, region)
    try:
        stores.objects.prepare()
        return stores.settings.values.read(POLICY) is not None
    finally:
        stores.close()
