"""What is stored of a photo, and where: asks every store of every region and every edge at once.

Trusts no index: it lists the objects and records that each region really stores, with that region's own credentials,
and asks each edge what its memory and its disk contain.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError

from darkroom.operate.in_parallel import found_and_away
from darkroom.operate.statement_files import statement_in
from regions import config
from regions.clock import now_s
from regions.config import Config
from regions.errors import NotFound, StatementError, Unavailable
from regions.node_tokens import HEADER, Call, NodeSigner
from regions.records import Photo, Tombstone
from regions.request_target import request_target
from regions.residency.policy import Action
from regions.residency.statement import Purpose, Statement
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_prefix
from regions.topology import Edge, Place, Region


@dataclass(frozen=True, slots=True)
class StoredItem:
    """What is stored at a place, and the policy's action that storing it there is. A record has no `size_bytes`."""

    place: Place
    what: str
    size_bytes: int | None
    action: Action


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """What a store or an edge has of the photo. Only a catalog knows of records, and only settings of a statement."""

    stored: tuple[StoredItem, ...] = ()
    photo: Photo | None = None
    tombstone: Tombstone | None = None
    statement: Statement | None = None


@dataclass(frozen=True, slots=True)
class PhotoWalk:
    """`photos` and `tombstones` are by region, for those whose catalog was asked; `away` says of others why not.

    `statement` is the highest that any region's settings hold.
    """

    stored: list[StoredItem]
    photos: Mapping[str, Photo | None]
    tombstones: Mapping[str, Tombstone]
    statement: Statement | None
    away: Mapping[str, str]


def walk(loaded: Config, home: Region, photo_id: str, within_s: float) -> PhotoWalk:
    """What has not answered `within_s` is away. Raises TopologyError if something can't even be asked."""
    questions = {**_of_regions(loaded, photo_id), **_of_edges(loaded, home, photo_id)}
    found, away = found_and_away(questions, within_s)
    catalogs = {place: answer for (place, port), answer in found.items() if port == "catalog"}
    statements = [answer.statement for answer in found.values() if answer.statement]
    return PhotoWalk(
        [item for answer in found.values() for item in answer.stored],
        {region: answer.photo for region, answer in catalogs.items()},
        {region: answer.tombstone for region, answer in catalogs.items() if answer.tombstone},
        max(statements, key=lambda statement: statement.serial, default=None),
        {f"{place} ({port})": reason for (place, port), reason in away.items()},
    )


def _of_regions(loaded: Config, photo_id: str) -> dict[tuple[str, str], Callable[[], StoreAnswer]]:
    ports = {"objects": _in_objects, "catalog": _in_catalog, "settings": _in_settings}
    return {
        (region.name, port): partial(ask, loaded, region, photo_id)
        for region in loaded.topology.regions.values()
        for port, ask in ports.items()
    }


def _in_objects(loaded: Config, region: Region, photo_id: str) -> StoreAnswer:
    objects, prefix = config.open_objects(loaded, region.name), variant_prefix(photo_id)
    item = partial(StoredItem, region.place)
    raws = [item("raw", info.size_bytes, Action.REST_RAW) for info in objects.list(RAW, raw_key(photo_id))]
    parts = [
        item(f"part {part.number} (unfinished)", part.size_bytes, Action.REST_RAW)
        for multipart_id in objects.list_uploads(RAW, raw_key(photo_id))
        for part in objects.list_parts(multipart_id)
    ]
    variants = [
        item(f"variant {info.key.removeprefix(prefix)}", info.size_bytes, Action.REST_VARIANTS)
        for info in sorted(objects.list(VARIANTS, prefix), key=lambda info: (len(info.key), info.key))
    ]
    return StoreAnswer((*raws, *parts, *variants))


def _in_catalog(loaded: Config, region: Region, photo_id: str) -> StoreAnswer:
    with closing(config.open_catalog(loaded, region.name)) as catalog:
        photo, upload = catalog.photos.get(photo_id), catalog.uploads.get(photo_id)
        tombstone = catalog.tombstones.get(photo_id)
    records = [*(["record"] if photo else []), *(["record of the upload"] if upload else [])]
    stored = tuple(StoredItem(region.place, what, None, Action.REST_METADATA) for what in records)
    return StoreAnswer(stored, photo, tombstone)


def _in_settings(loaded: Config, region: Region, photo_id: str) -> StoreAnswer:
    """What is no valid statement counts as none."""
    with closing(config.open_settings(loaded, region.name)) as settings:
        try:
            return StoreAnswer(statement=statement_in(loaded, settings.values))
        except (StatementError, NotFound):
            return StoreAnswer()


def _of_edges(loaded: Config, home: Region, photo_id: str) -> dict[tuple[str, str], Callable[[], StoreAnswer]]:
    signer = NodeSigner(home.name, loaded.private_keys(home.name, Purpose.NODE), dict, now_s)
    return {(edge.name, "cache"): partial(_in_cache, signer, edge, photo_id) for edge in loaded.topology.edges.values()}


def _in_cache(signer: NodeSigner, edge: Edge, photo_id: str) -> StoreAnswer:
    return StoreAnswer(
        tuple(
            StoredItem(edge.place, f"cached {item['name']} ({item['where']})", int(item["size_bytes"]), Action.CACHE)
            for item in _inventory(signer, edge, photo_id)
        )
    )


def _inventory(signer: NodeSigner, edge: Edge, photo_id: str) -> Iterable[dict[str, Any]]:
    """What the edge has cached of the photo. An edge that does not answer may have cached anything: Unavailable."""
    url = f"{edge.url}/edge/inventory/{photo_id}"
    headers = {HEADER: signer.token(Call(edge.name, "GET", request_target(url)))}
    try:
        with urllib3.PoolManager(retries=False) as http:
            response = http.request("GET", url, headers=headers)
    except NewConnectionError as error:
        raise Unavailable("nothing listens there") from error
    except HTTPError as error:
        raise Unavailable("the connection broke off") from error
    if response.status != 200:
        raise Unavailable(f"it answers {response.status}")
    return list(json.loads(response.data)["items"])
