"""Where every byte of a photo lies, and the rule that allows it: what each region's objects and each edge hold in fact.

Trusts no index: the objects are listed where they are, and the edges say what is in their memory and on their disk.
"""

import json
import os
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from urllib3.exceptions import HTTPError

from darkroom import terminal
from darkroom.local.addresses import TOPOLOGY
from darkroom.operate.stored_copy import StoredCopy
from regions import config, ids, tokens
from regions.clock import now_s
from regions.config import Config
from regions.errors import Unavailable
from regions.residency import decide
from regions.residency.decide import Subject
from regions.residency.live import LivePolicy
from regions.residency.policy import Action, Policy
from regions.stores.objects import RAW, VARIANTS, Objects, raw_key, variant_prefix
from regions.topology import Edge, Place, Region, home_of

NO_OWNER = "its record is gone, so nothing of it may lie anywhere"

_EDGE_TIMEOUT = urllib3.Timeout(connect=2, read=5)


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Bytes at a place, and the action that having them there is."""

    place: Place
    what: str
    size_bytes: int
    action: Action


def command(options: Namespace) -> int:
    """Runs `darkroom where`."""
    return main(options.data, options.photo)


def main(data: Path, photo_id: str) -> int:
    """Prints the table; the exit code is 1 when a byte lies where it may not."""
    lying = locate(config.load(data / TOPOLOGY, os.environ), photo_id)
    console = Console()
    if lying:
        console.print(table(photo_id, lying))
    wrong = [item for item in lying if not item.allowed]
    if wrong:
        console.print(f"[bold red]✗[/] {len(wrong)} of {len(lying)} lie where they may not.")
    elif lying:
        console.print(f"[green]✓[/] All {len(lying)} lie where the policy allows.")
    else:
        console.print(f"No byte of {terminal.plain(photo_id)} lies anywhere.")
    return 1 if wrong else 0


def table(photo_id: str, lying: Iterable[StoredCopy]) -> Table:
    shown = Table("place", "what", "size", "", "rule", title=terminal.text(photo_id), title_justify="left")
    for item in lying:
        mark = "[green]✓[/]" if item.allowed else "[bold red]✗[/]"
        shown.add_row(item.place, terminal.text(item.what), decimal(item.size_bytes), mark, terminal.text(item.rule))
    return shown


def locate(config: Config, photo_id: str) -> list[StoredCopy]:
    """Raises NotFound for what is no photo's id, Unavailable where a store or an edge does not answer."""
    home = home_of(config.topology, ids.PHOTO, photo_id)
    policy, subject = _rules(config, home, photo_id)
    found = [*_at_regions(config, photo_id), *_at_edges(config, home, photo_id)]
    return [judge(policy, subject, item) for item in found]


def judge(policy: Policy | None, subject: Subject | None, found: StoredBytes) -> StoredCopy:
    """Pure. `subject` is None where the photo was deleted or never was: then nothing may lie anywhere."""
    if subject is None:
        return StoredCopy(found.place.name, found.what, found.size_bytes, False, NO_OWNER)
    decision = decide.decide(policy, subject, found.action, found.place)
    return StoredCopy(found.place.name, found.what, found.size_bytes, decision.allowed, decision.rule)


def _rules(loaded: Config, home: Region, photo_id: str) -> tuple[Policy | None, Subject | None]:
    stores = config.open_stores(loaded, home.name)
    try:
        photo = stores.catalog.photos.get(photo_id)
        return LivePolicy(stores.settings).current(), decide.subject_of(photo) if photo else None
    finally:
        stores.close()


def _at_regions(loaded: Config, photo_id: str) -> Iterator[StoredBytes]:
    for region in loaded.topology.regions.values():
        objects: Objects = config.open_objects(loaded, region.name)
        for info in objects.list(RAW, raw_key(photo_id)):
            yield StoredBytes(region.place, "raw", info.size_bytes, Action.REST_RAW)
        for multipart_id in objects.list_uploads(RAW, raw_key(photo_id)):
            for part in objects.list_parts(multipart_id):
                yield StoredBytes(region.place, f"part {part.number} (unfinished)", part.size_bytes, Action.REST_RAW)
        variants = sorted(objects.list(VARIANTS, variant_prefix(photo_id)), key=lambda info: (len(info.key), info.key))
        for info in variants:
            name = info.key.removeprefix(variant_prefix(photo_id)).removesuffix(".jpg")
            yield StoredBytes(region.place, f"variant {name}", info.size_bytes, Action.REST_VARIANTS)


def _at_edges(loaded: Config, home: Region, photo_id: str) -> Iterator[StoredBytes]:
    token = tokens.issue_node(home.name, loaded.private_key(home.name), now_s())
    with urllib3.PoolManager(timeout=_EDGE_TIMEOUT, headers={tokens.NODE_HEADER: token}) as http:
        for edge in loaded.topology.edges.values():
            for item in _held(http, edge, photo_id):
                what = f"cached {item['size']} ({item['where']})"
                yield StoredBytes(edge.place, what, int(item["size_bytes"]), Action.CACHE)


def _held(http: urllib3.PoolManager, edge: Edge, photo_id: str) -> list[dict[str, Any]]:
    """An edge that does not answer may hold anything, so it is no edge that holds nothing."""
    try:
        response = http.request("GET", f"{edge.url}/edge/inventory/{photo_id}", retries=urllib3.Retry(2, redirect=0))
    except HTTPError as error:
        raise Unavailable(f"the edge {edge.name} does not say what it holds: {error}") from error
    if response.status != 200:
        raise Unavailable(f"the edge {edge.name} does not say what it holds: it answers {response.status}")
    return list(json.loads(response.data)["items"])
