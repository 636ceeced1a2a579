"""A place of a running system that is wholly in an attacker's hands: its keys and its stores, and what can be done
with them. It has no secret of any other place.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from darkroom.local.addresses import TOPOLOGY
from regions import config as configuration
from regions import ids, user_tokens
from regions.account_records import SIGNED_IN_SCOPES
from regions.clock import now_ms, now_s
from regions.config import Config
from regions.node_tokens import HEADER, Call, NodeSigner
from regions.region_client import RegionClient
from regions.residency.statement import Purpose
from regions.user_tokens import AccessToken
from replication.border import Border
from tests.conftest import System

_WITHIN_S = 20


@dataclass
class TakenPlace:
    """`config` reads the secrets of the place `name` alone. `signer` signs node tokens as the place, and as no other.

    Who has its keys needs none of our programs. These are used since they know the formats; what our own would
    never send is given to them.
    """

    system: System
    name: str
    config: Config

    @classmethod
    def of(cls, system: System, name: str, folder: Path) -> "TakenPlace":
        """The secrets are copied into the folder: those whose names begin with the place's."""
        own = folder / name
        own.mkdir()
        for file in (system.data / "secrets").glob(f"{name}.*"):
            shutil.copyfile(file, own / file.name)
        environ = {configuration.SECRETS_VARIABLE: str(own)}
        return cls(system, name, configuration.load(system.data / TOPOLOGY, environ))

    @property
    def signer(self) -> NodeSigner:
        return NodeSigner(self.name, self.config.private_keys(self.name, Purpose.NODE), dict, now_s)

    @contextmanager
    def border(self, region: str) -> Iterator[Border]:
        """That of another region, asked as a lane asks it; what is offered may be anything."""
        client = RegionClient(self.signer)
        with closing(client), closing(Border(self.config.topology.regions[region], client)) as border:
            yield border

    def url_of(self, receiver: str) -> str:
        return (self.system.origins | self.system.edges)[receiver]

    def ask(
        self, receiver: str, method: str, target: str, document: Any = None, token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:  # fmt: skip
        """With the place's own token for this very request, or with another one; "" is none."""
        body = b"" if document is None else json.dumps(document).encode()
        if token is None:
            token = self.signer.token(Call(receiver, method, target, body))
        sent = {"Content-Type": "application/json"} if body else {}
        sent |= {HEADER: token} if token else {}
        url = self.url_of(receiver) + target
        return urllib3.request(
            method, url, body=body or None, headers=sent | (headers or {}), retries=False, timeout=_WITHIN_S
        )

    def user_token(self, user_id: str, home: str, audience: str, residency_class: str) -> str:
        """Signed with this region's key for its own users, whatever it says."""
        claims = AccessToken(
            user_id, home, audience, "s_0000000000000000", frozenset(SIGNED_IN_SCOPES), residency_class
        )
        [(key_id, private), *_] = self.config.private_keys(self.name, Purpose.USERS).items()
        return user_tokens.issue(claims, key_id, private, now_s())

    def new_id(self, kind: str, region: str) -> str:
        """An id that the region might have made just now, and that nothing has."""
        number = self.config.topology.regions[region].number
        low = int.from_bytes(os.urandom(2), "big")
        return ids.to_public(kind, ids.compose(ids.Snowflake(now_ms(), number, low >> 6, low & 63)))


class KeptBy:
    """What a region of a running system keeps, read from its stores: to be looked at after an attack."""

    def __init__(self, system: System, region: str) -> None:
        self._config, self._region = configuration.load(system.data / TOPOLOGY, {}), region

    def photo(self, photo_id: str) -> Any:
        with closing(configuration.open_catalog(self._config, self._region)) as catalog:
            return catalog.photos.get(photo_id)

    def tombstone(self, photo_id: str) -> Any:
        with closing(configuration.open_catalog(self._config, self._region)) as catalog:
            return catalog.tombstones.get(photo_id)

    def followers_of(self, author_id: str) -> set[str]:
        with closing(configuration.open_catalog(self._config, self._region)) as catalog:
            return catalog.follows.follower_regions(author_id)

    def published(self, topic: str) -> list[str]:
        """The key of each event in the log."""
        with closing(configuration.open_events(self._config, self._region)) as events:
            consumer = events.consumer(topic, f"test-{os.urandom(6).hex()}", "test")
            with closing(consumer):
                return [delivery.event.key for delivery in consumer.poll(10_000, 0)]
