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
from darkroom.local.addresses import TOPOLOGY
from darkroom.operate.places import make_missing_keys
from darkroom.operate.statement_files import held
from regions import config
from regions.config import Config
from regions.errors import Unavailable
from regions.preparation import PORTS, prepare_region
from regions.residency.statement import Statement
from regions.topology import Topology


def command(options: Namespace) -> int:
    """Runs `darkroom prepare`."""
    return main(options.topology or options.data / TOPOLOGY, options.replace)


def main(topology: Path, replace: Collection[str] = ()) -> int:
    """`replace` are stores that are lost for good, as `REGION/PORT`.

    A region whose stores can't be prepared does not keep the others from it. Raises CommandError.
    """
    loaded, console = config.load(topology, os.environ), Console()
    _require_known(replace, loaded.topology)
    refused = [region for region in loaded.topology.regions if not _prepare(loaded, region, replace, console)]
    if refused:
        raise CommandError(
            f"The stores of {', '.join(refused)} are not ready.",
            "Mount the disk of a store that is missing, or correct its URL in the topology. One that is lost for good "
            "is replaced by what is there, or by an empty one, with `--replace REGION/PORT`.",
        )
    for file in make_missing_keys(loaded.topology, loaded.secrets):
        console.print("[green]✓[/] A new key:", terminal.text(str(file)))
    if not any(isinstance(found, Statement) for found in held(loaded).values()):
        console.print("[yellow]![/] No statement is there yet, so nobody can sign up: see docs/operating.md.")
    return 0


def _prepare(loaded: Config, region: str, replace: Collection[str], console: Console) -> bool:
    lost = [name.partition("/")[2] for name in replace if name.startswith(f"{region}/")]
    try:
        created = prepare_region(loaded, region, lost)
    except Unavailable as error:
        console.print("[bold red]✗[/]", terminal.text(error.detail))
        return False
    what = f"created: {', '.join(created)}" if created else "all there already"
    console.print("[green]✓[/] The stores of", terminal.text(region), f"are ready ({what}).")
    return True


def _require_known(replace: Collection[str], topology: Topology) -> None:
    known = [f"{region}/{port}" for region in topology.regions for port in PORTS]
    for name in replace:
        if name not in known:
            raise CommandError(f"There is no store {name}.", f"Name one of {', '.join(known)}.", 2)
