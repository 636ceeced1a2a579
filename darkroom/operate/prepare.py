"""`darkroom prepare`: creates what the stores need before a system's first start, and a policy if there is none.

Idempotent, and safe to run several times in parallel: existing stores keep their data, and existing policies stay as
they are. A store that is gone is not created again (`regions.preparation`), unless it is named by --replace.
"""

import os
from argparse import Namespace
from collections.abc import Collection
from pathlib import Path

from rich.console import Console

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.local import data_folder
from darkroom.local.addresses import TOPOLOGY
from regions import config
from regions.errors import PolicyError, StoreMissing
from regions.preparation import PORTS, prepare_region
from regions.topology import Topology


def command(options: Namespace) -> int:
    """Runs `darkroom prepare`."""
    return main(options.topology or options.data / TOPOLOGY, options.replace)


def main(topology: Path, replace: Collection[str] = ()) -> int:
    """`replace` are stores that are lost for good, as `REGION/PORT`. Raises CommandError, Unavailable, WrongStore.

    Also raises CommandError if a region has no policy and the default policy does not fit this topology.
    """
    loaded, console = config.load(topology, os.environ), Console()
    _require_known(replace, loaded.topology)
    for region in loaded.topology.regions:
        lost = [name.partition("/")[2] for name in replace if name.startswith(f"{region}/")]
        try:
            created = prepare_region(loaded, region, lost)
        except StoreMissing as error:
            raise CommandError(
                f"In {region}, {error.detail}.",
                "Mount its disk, or correct its URL in the topology. If the store is lost for good, an empty one takes "
                f"its place with `darkroom prepare --replace {region}/PORT`.",
            ) from error
        what = f"created: {', '.join(created)}" if created else "all there already"
        console.print("[green]✓[/] The stores of", terminal.text(region), f"are ready ({what}).")
    try:
        published_in = data_folder.publish_policy(loaded)
    except PolicyError as error:
        raise CommandError(
            f"The default policy does not fit this topology: {error}.",
            "Write a policy that fits into the setting residency/policy of every region.",
        ) from error
    if published_in:
        console.print("[green]✓[/] The default policy is published in", terminal.text(", ".join(published_in)) + ".")
    return 0


def _require_known(replace: Collection[str], topology: Topology) -> None:
    known = [f"{region}/{port}" for region in topology.regions for port in PORTS]
    for name in replace:
        if name not in known:
            raise CommandError(f"There is no store {name}.", f"Name one of {', '.join(known)}.", 2)
