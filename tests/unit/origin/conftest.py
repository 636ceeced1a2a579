"""One region's origin over real stores in a folder of the test, with a clock that the test advances."""

import io
import itertools
import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from falcon.testing import Result, TestClient
from falcon.util.misc import to_query_str

from origin.accounts.passphrases import HashCost, PassphraseHasher
from origin.accounts.revocation import RevokedSessions
from origin.app import create
from origin.context import Context
from regions import ids, node_tokens, topology, user_tokens
from regions.account_records import SIGNED_IN_SCOPES, Scope
from regions.breaker import BreakerLimits
from regions.clock import now_ms
from regions.config import Stores
from regions.events.messages import Event
from regions.events.outbox import OutboxPublisher
from regions.image_limits import VARIANT_SIZES
from regions.node_tokens import Call, NodeSigner
from regions.records import Photo, Reason, Status, Variant
from regions.region_client import LIMITS, RegionClient
from regions.residency.live import LiveRules
from regions.residency.settings_statement import SettingsStatement
from regions.residency.statement import Kind, Purpose, StatedPlace
from regions.residency.statement_folder import StatementFolder
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.memory_limits import MemoryLimits
from regions.stores.settings import STATEMENT
from regions.stores.sqlite import adapter as sqlite
from regions.user_tokens import AccessToken
from tests.builders.accounts import PASSPHRASE, sign_up_body
from tests.builders.embedded import Clock
from tests.builders.http import running
from tests.builders.statements import POLICY_TEXT, BootClock, Compliance, bring_into_force, node_key, place
from tests.builders.stores import created, directory_objects

_NODES = {"eu-west": "lisbon", "eu-central": "frankfurt", "us-central": "chicago"}


_NUMBERS = itertools.count(1)
CHEAP = HashCost(memory_kib=8, passes=1)
"""As cheap as argon2 can be: what is tested here is not how slow it is."""


@dataclass(frozen=True)
class Person:
    """Somebody who has signed up. `token` is an access token for their home."""

    id: str
    token: str
    handle: str = ""
    session: str = ""
    refresh_token: str = ""
    recovery_codes: tuple[str, ...] = ()


@dataclass
class Api:
    """A region's origin, used through its HTTP API, and the stores behind it."""

    context: Context
    client: TestClient
    clock: Clock
    objects: DirectoryObjects
    compliance: Compliance
    places: Sequence[StatedPlace]
    watch: SettingsStatement
    boot_clock: BootClock

    @property
    def catalog(self) -> Any:
        return self.context.stores.catalog

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        user: Person | None = None,
        node: str | None = None,
        presented_by: str | None = None,
        connection: str = "192.0.2.1",
        client: str | None = None,
        **query: Any,
    ) -> Result:
        """As the server `node`, or for it as the shield `presented_by`.

        Over a connection from that address, for a `client` of another one.
        """
        raw = b"" if body is None else json.dumps(body).encode()
        headers = self._headers(user, node, method, path, raw, query, presented_by)
        if client is not None:
            headers[node_tokens.CLIENT_HEADER] = client
        return self.client.simulate_request(
            method, path, body=raw, headers=headers, params=query, extras={"REMOTE_ADDR": connection}
        )

    def send(self, path: str, raw: bytes, user: Person | None = None, node: str | None = None) -> Result:
        """POSTs raw bytes as the body."""
        return self.client.simulate_post(path, body=raw, headers=self._headers(user, node, "POST", path, raw, {}))

    def sign_up(self, name: str = "Ana", country: str = "PT") -> Person:
        handle = f"{re.sub('[^a-z0-9_]', '', name.lower())[:15]}_{next(_NUMBERS)}"
        response = self.request("POST", "/v1/users", sign_up_body(name=name, country=country, handle=handle))
        assert response.status_code == 201, response.text
        return person_of(response)

    def sign_in(self, user: Person, passphrase: str = PASSPHRASE, **fields: Any) -> Result:
        return self.request("POST", "/v1/sessions", {"handle": user.handle, "passphrase": passphrase, **fields})

    def signed_in(self, user: Person, **fields: Any) -> Person:
        """The same person in one more session."""
        response = self.sign_in(user, **fields)
        assert response.status_code == 201, response.text
        return person_of(response)

    def refresh(self, refresh_token: str, key: str | None = None, **fields: Any) -> Result:
        body = json.dumps({"refresh_token": refresh_token, **fields})
        headers = {"Idempotency-Key": key} if key else {}
        return self.client.simulate_post("/v1/sessions/refresh", body=body, headers=headers)

    def refreshed(self, user: Person) -> Person:
        """The same person with new tokens."""
        made = self.refresh(user.refresh_token).json
        return replace(user, token=made["tokens"][self.context.region.name], refresh_token=made["refresh_token"])

    def token_for(self, region: str, user: Person) -> Person:
        """The same person with an access token for another region, which this one, their home, has issued."""
        return replace(user, token=self.sign_in(user, regions=[region]).json["tokens"][region])

    def confirmed(self, user: Person) -> Person:
        """The same person, who has given their passphrase anew."""
        path = f"/v1/users/{user.id}/confirmation"
        return replace(user, token=self.request("POST", path, {"passphrase": PASSPHRASE}, user).json["token"])

    def start_upload(self, user: Person, size_bytes: int = 9, **fields: Any) -> Any:
        body = {"filename": "a.jpg", "size_bytes": size_bytes, "content_type": "image/jpeg", **fields}
        response = self.request("POST", "/v1/uploads/init", body, user)
        assert response.status_code == 200, response.text
        return response.json

    def put(self, upload_id: str, number: int, data: bytes) -> dict[str, Any]:
        """Stores a part as if the client had PUT it. Returns its entry for the list of parts in `complete`."""
        multipart_id = self.catalog.uploads.get(upload_id).multipart_id
        part = self.objects.write_part(multipart_id, number, io.BytesIO(data), len(data))
        return {"number": number, "etag": part.etag}

    def complete(self, user: Person, upload_id: str, parts: Any) -> Result:
        return self.request("POST", f"/v1/uploads/{upload_id}/complete", {"parts": parts}, user)

    def uploaded(self, user: Person, **fields: Any) -> str:
        """The id of a photo that was uploaded and waits for processing."""
        photo_id = self.start_upload(user, **fields)["photo_id"]
        assert self.complete(user, photo_id, [self.put(photo_id, 1, b"a picture")]).status_code == 201
        return str(photo_id)

    def ready(self, user: Person, **fields: Any) -> str:
        """The id of a photo that was uploaded and processed."""
        photo_id = self.uploaded(user, **fields)
        self.set_status(photo_id, Status.READY)
        return photo_id

    def complete_object(self, upload_id: str) -> None:
        """Joins the two parts that have arrived, as the first step of completing an upload does."""
        upload = self.catalog.uploads.get(upload_id)
        self.objects.complete_upload(upload.multipart_id, self.objects.list_parts(upload.multipart_id))

    def processing(self, photo_id: str) -> Photo:
        return replace(self.catalog.photos.get(photo_id), status=Status.PROCESSING)

    def process_again(self, photo_id: str, recipe: int, keep: bool = True) -> None:
        """Gives a ready photo the variants of another recipe, beside those that it has or (`keep` False) instead."""
        photo = self.catalog.photos.get(photo_id)
        new = tuple(Variant(size, size, size // 2, 200, "cd" * 32, recipe) for size in VARIANT_SIZES)
        changed = replace(photo, variants=(*photo.variants, *new) if keep else new, recipe=recipe)
        assert self.catalog.photos.update(changed, {Status.READY}, None)

    def set_status(self, photo_id: str, status: Status, reason: Reason | None = None) -> Photo:
        photo = self.catalog.photos.get(photo_id)
        variants = tuple(Variant(size, size, size // 2, 100, "ab" * 32) for size in VARIANT_SIZES)
        changed = replace(photo, status=status, width=4000, height=2000, variants=variants, reason=reason)
        assert self.catalog.photos.update(changed, {photo.status}, None)
        return changed

    def set_camera_facts(self, photo_id: str, **facts: Any) -> None:
        photo = replace(self.catalog.photos.get(photo_id), **facts)
        assert self.catalog.photos.update(photo, {photo.status}, None)

    def set_visibility(self, photo_id: str, visibility: str) -> None:
        """As a newer program may."""
        photo = replace(self.catalog.photos.get(photo_id), visibility=visibility)
        assert self.catalog.photos.update(photo, {photo.status}, None)

    def published(self, topic: str) -> list[Event]:
        """Every event of a topic so far, oldest first."""
        consumer = self.context.stores.events.consumer(topic, f"test-{ids.to_public('c', now_ms())}", "test")
        try:
            return [delivery.event for delivery in consumer.poll(100, 0)]
        finally:
            consumer.close()

    def set_policy(self, text: str) -> None:
        """A statement with this policy is in force."""
        statement = self.compliance.states(text, self.places)
        self.context.stores.settings.values.write(STATEMENT, statement.signed)
        bring_into_force(self.context.rules, self.watch, statement, self.boot_clock)

    @property
    def user_key(self) -> tuple[str, Any]:
        return "k1", self.context.user_keys["k1"]

    def lose_lease(self) -> None:
        """No region was heard from for a minute."""
        self.boot_clock.at_s += 61

    def node_token(self, node: str, call: Call) -> str:
        return node_tokens.issue(node, "k1", node_key(node), call, self.clock.now_ms() // 1000)

    def _headers(
        self,
        user: Person | None,
        node: str | None,
        method: str,
        path: str,
        raw: bytes,
        query: dict[str, Any],
        presented_by: str | None = None,
    ) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {user.token}"} if user else {}
        if node:
            target = path + to_query_str(query)
            call = Call(self.context.region.name, method, target, raw)
            headers[node_tokens.HEADER] = self.node_token(presented_by or node, call)
            if presented_by:
                shown = Call(self.context.region.name, method, target, raw, presented_by)
                headers[node_tokens.GRANT_HEADER] = self.node_token(node, shown)
        return headers


def person_of(response: Result) -> Person:
    """Who has just signed up or in."""
    made = response.json
    return Person(
        made["id"],
        made["tokens"].get(made["home_region"], ""),
        made["handle"],
        made["session"],
        made["refresh_token"],
        tuple(made.get("recovery_codes", ())),
    )


@pytest.fixture
def clock() -> Clock:
    """Starts now, since tokens are checked against the machine's clock."""
    return Clock(now_ms())


@pytest.fixture
def servers() -> Iterator[dict[str, WSGIServer]]:
    """A socket on loopback for each region, which responds 404 until `serve` sets an app."""
    made = {region: make_server("127.0.0.1", 0, _not_found, handler_class=_Quiet) for region in _NODES}
    yield made
    for server in made.values():
        server.server_close()


@pytest.fixture
def network(servers: dict[str, WSGIServer]) -> topology.Topology:
    """Three regions with one shield each, and an edge that is far from all of them."""
    regions = [
        topology.Region(name, number, name[:2].upper(), number, number, _url(servers[name]), *[""] * 5)
        for number, name in enumerate(_NODES)
    ]
    edges = [_edge(edge, region[:2].upper(), region) for region, edge in _NODES.items()] + [_edge("sydney", "AU", "")]
    return topology.Topology({region.name: region for region in regions}, {edge.name: edge for edge in edges})


@pytest.fixture
def open_api(network: topology.Topology, tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Api]]:
    """`open_api("us-central")` opens that region's origin. The policy of `deploy/` is in force there, if `stated`."""
    opened = []

    def open_api(region: str, stated: bool = True) -> Api:
        api = _open(network, region, tmp_path / region, clock)
        opened.append(api)
        if stated:
            api.set_policy(POLICY_TEXT)
        return api

    yield open_api
    for api in opened:
        api.context.stores.close()


@pytest.fixture
def api(open_api: Callable[[str], Api]) -> Api:
    """The origin of eu-west."""
    return open_api("eu-west")


@pytest.fixture
def us_api(open_api: Callable[[str], Api]) -> Api:
    """The origin of us-central. Other regions reach it only within `serve`."""
    return open_api("us-central")


@pytest.fixture
def serve(servers: dict[str, WSGIServer]) -> Callable[..., Any]:
    """`with serve(api): …` serves that region over HTTP; with `serve(api, app)` another app responds in its place."""

    @contextmanager
    def serve(api: Api, app: Any = None) -> Iterator[None]:
        server = servers[api.context.region.name]
        server.set_app(app or api.client.app)
        with running(server):
            yield

    return serve


@pytest.fixture
def deny_serving_in() -> Callable[[Api, str], None]:
    """`deny_serving_in(api, "sydney")` publishes a policy whose first rule denies all serving there."""

    def publish(api: Api, place: str) -> None:
        denial = f"    rules:\n      - {{deny: [serve], at: [{place}], because: Nothing may be served there.}}\n"
        api.set_policy(POLICY_TEXT.replace("    rules:\n", denial))

    return publish


@pytest.fixture
def ana(api: Api) -> Person:
    return api.sign_up("Ana")


@pytest.fixture
def eva(api: Api) -> Person:
    return api.sign_up("Eva")


@pytest.fixture
def access_token(clock: Clock) -> Callable[..., str]:
    """`access_token(user_id, home, scopes)`: a token for eu-west that the region `home` has signed."""

    def made(user_id: str, home: str, scopes: Collection[Scope] = SIGNED_IN_SCOPES) -> str:
        claims = AccessToken(user_id, home, "eu-west", "s_0000000000000000", frozenset(scopes), "eu")
        return user_tokens.issue(claims, "k1", node_key(home, Purpose.USERS), clock.now_ms() // 1000)

    return made


@pytest.fixture
def stranger(access_token: Callable[..., str], unused_id: Callable[..., str]) -> Person:
    """A user from us-central, with a token of that region for eu-west."""
    user_id = unused_id("u", 2)
    return Person(user_id, access_token(user_id, "us-central"))


@pytest.fixture
def forged(ana: Person, access_token: Callable[..., str]) -> Person:
    """Ana's id in a token that another region signed."""
    return Person(ana.id, access_token(ana.id, "us-central"))


@pytest.fixture
def unused_id(clock: Clock) -> Callable[..., str]:
    """A valid id that was never used: `unused_id("p")`, or of another region: `unused_id("p", 2)`."""
    return lambda kind, region=0: ids.to_public(kind, ids.compose(ids.Snowflake(clock.now_ms(), region, 63, 63)))


def _open(network: topology.Topology, region: str, folder: Path, clock: Clock) -> Api:
    objects = directory_objects(str(folder / "objects"), "http://objects.test", b"secret")
    stores = Stores(
        objects,
        created(sqlite.catalog(str(folder / "catalog.db"))),
        created(sqlite.feeds(str(folder / "feeds.db"))),
        created(sqlite.events(str(folder / "events.db"), clock.now_ms)),
        created(sqlite.settings(str(folder / "settings.db"), clock.now_ms)),
    )
    node, boot_clock, compliance = network.regions[region], BootClock(), Compliance()
    rules = LiveRules(region, StatementFolder(folder / "state"), compliance.signers, boot_clock)

    def listed() -> dict[str, str]:
        return rules.current().public_keys(region, Purpose.NODE)

    context = Context(
        region=node,
        topology=network,
        stores=stores,
        limits=MemoryLimits(lambda: clock.now_ms() * 1000),
        rules=rules,
        outbox=OutboxPublisher(stores.catalog, stores.events, clock.now_ms),
        new_id=ids.IdGenerator(node.number, 0, 0, lambda: 1 << 62, clock.now_ms).next,
        clock_ms=clock.now_ms,
        user_keys={"k1": node_key(region, Purpose.USERS)},
        others=RegionClient(
            NodeSigner(region, {"k1": node_key(region)}, listed, lambda: clock.now_ms() // 1000),
            # No region is refused because it was away a moment ago.
            replace(LIMITS, breaker=BreakerLimits(waiting=1000, silent_s=math.inf, failures=1000)),
        ),
        passphrases=PassphraseHasher(CHEAP, at_once=4),
        revoked=RevokedSessions(clock.now_ms),
        random=os.urandom,
    )
    watch, app = SettingsStatement(stores.settings, rules), TestClient(create(context))
    return Api(context, app, clock, objects, compliance, _places(network), watch, boot_clock)


def _places(network: topology.Topology) -> list[StatedPlace]:
    regions = [
        place(one.name, Kind.REGION, one.jurisdiction, number=one.number, url=one.origin)
        for one in network.regions.values()
    ]
    edges = [
        place(one.name, Kind.EDGE, one.jurisdiction, shield_of=one.shield_of, url=one.url)
        for one in network.edges.values()
    ]
    return [*regions, *edges]


def _edge(name: str, jurisdiction: str, shield_of: str) -> topology.Edge:
    return topology.Edge(name, jurisdiction, 0, 0, f"http://{name}.test", "", shield_of)


def _url(server: WSGIServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def _not_found(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass
