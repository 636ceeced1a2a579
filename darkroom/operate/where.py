"""`darkroom where`: where every byte of a photo is stored, and the rule that allows it.

Trusts no index: it lists the objects that each region really stores, and asks each edge what its memory and its disk
contain.
"""

import json
import os
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import closing
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
from darkroom.operate import statement_files
from darkroom.operate.stored_copy import StoredCopy
from regions import config, ids
from regions.clock import now_ms, now_s
from regions.config import Config
from regions.errors import Unavailable
from regions.node_tokens import HEADER, Call, NodeSigner
from regions.request_target import request_target
from regions.residency.decide import Subject, subject_of
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.residency.statement import Purpose
from regions.stores.objects import RAW, VARIANTS, Objects, raw_key, variant_prefix
from regions.topology import Edge, Place, Region, home_of

NO_OWNER = "the photo's record is gone, so no byte of it may be stored anywhere"

_EDGE_TIMEOUT = urllib3.Timeout(connect=2, read=5)


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Bytes stored at a place, and the policy's action that storing them there is."""

    place: Place
    what: str
    size_bytes: int
    action: Action


def command(options: Namespace) -> int:
    """Runs `darkroom where`."""
    return main(options.data, options.photo)


def main(data: Path, photo_id: str) -> int:
    """Prints the table. The exit code is 1 if a byte is stored where the policy forbids it."""
    copies = locate(config.load(data / TOPOLOGY, os.environ), photo_id)
    console = Console()
    if copies:
        console.print(table(photo_id, copies))
    forbidden = [copy for copy in copies if not copy.allowed]
    if forbidden:
        console.print(f"[bold red]✗[/] The policy forbids {len(forbidden)} of {len(copies)} stored copies.")
    elif copies:
        console.print(f"[green]✓[/] The policy allows all {len(copies)} stored copies.")
    else:
        console.print(f"No byte of {terminal.plain(photo_id)} is stored anywhere.")
    return 1 if forbidden else 0


def table(photo_id: str, copies: Iterable[StoredCopy]) -> Table:
    shown = Table("place", "what", "size", "", "rule", title=terminal.text(photo_id), title_justify="left")
    for copy in copies:
        mark = "[green]✓[/]" if copy.allowed else "[bold red]✗[/]"
        shown.add_row(copy.place, terminal.text(copy.what), decimal(copy.size_bytes), mark, terminal.text(copy.rule))
    return shown


def locate(config: Config, photo_id: str) -> list[StoredCopy]:
    """Raises NotFound if the id is not a photo's, and Unavailable if a store or an edge does not answer."""
    home = home_of(config.topology, ids.PHOTO, photo_id)
    subject, statement = _subject(config, home, photo_id), statement_files.highest(config)
    rules = Rules(statement, (), leased=True, now_ms=now_ms())
    found = [*_at_regions(config, photo_id), *_at_edges(config, home, photo_id)]
    return [evaluate(rules, subject, item) for item in found]


def evaluate(rules: Rules, subject: Subject | None, found: StoredBytes) -> StoredCopy:
    """Pure. `subject` is None if the photo was deleted or never existed: then no byte may be stored anywhere."""
    if subject is None:
        return StoredCopy(found.place.name, found.what, found.size_bytes, False, NO_OWNER)
    decision = rules.decide(subject, found.action, found.place.name)
    return StoredCopy(found.place.name, found.what, found.size_bytes, decision.allowed, decision.rule)


def _subject(loaded: Config, home: Region, photo_id: str) -> Subject | None:
    with closing(config.open_catalog(loaded, home.name)) as catalog:
        photo = catalog.photos.get(photo_id)
        return subject_of(photo) if photo else None


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
            name = info.key.removeprefix(variant_prefix(photo_id))
            yield StoredBytes(region.place, f"variant {name}", info.size_bytes, Action.REST_VARIANTS)


def _at_edges(loaded: Config, home: Region, photo_id: str) -> Iterator[StoredBytes]:
    signer = NodeSigner(home.name, loaded.private_keys(home.name, Purpose.NODE), dict, now_s)
    with urllib3.PoolManager(timeout=_EDGE_TIMEOUT) as http:
        for edge in loaded.topology.edges.values():
            for item in _inventory(http, signer, edge, photo_id):
                what = f"cached {item['name']} ({item['where']})"
                yield StoredBytes(edge.place, what, int(item["size_bytes"]), Action.CACHE)


def _inventory(http: urllib3.PoolManager, signer: NodeSigner, edge: Edge, photo_id: str) -> list[dict[str, Any]]:
    """What the edge has cached of the photo. An edge that does not answer may have cached anything: Unavailable."""
    try:
        url = f"{edge.url}/edge/inventory/{photo_id}"
        headers = {HEADER: signer.token(Call(edge.name, "GET", request_target(url)))}
        response = http.request("GET", url, headers=headers, retries=urllib3.Retry(2, redirect=0))
    except HTTPError as error:
        raise Unavailable(f"the inventory of the edge {edge.name} can't be read: {error}") from error
    if response.status != 200:
        raise Unavailable(f"the inventory of the edge {edge.name} can't be read: it answers {response.status}")
    return list(json.loads(response.data)["items"])
