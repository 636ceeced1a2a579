"""A session of the client at a small real home, which counts what it is sent and fails on demand."""

import hashlib
import json
import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from darkroom.client import profiles
from darkroom.client.client import Client
from darkroom.client.http import ClientError, HomeAway, HttpClient
from darkroom.client.keyring import Keyring, MemoryStore, SavedSession
from regions import ids
from tests.builders.http import JsonHandler, answering

EU, US = 0, 1
HOMES = {"items": [{"region": "eu-west", "number": EU, "url": ""}, {"region": "us-central", "number": US, "url": ""}]}
DROP = 0


def public(kind: str, region: int) -> str:
    return ids.to_public(kind, ids.compose(ids.Snowflake(ids.EPOCH_MS + 1, region, 0, 0)))


ANA, BOBS_PHOTO, ANAS_PHOTO = public("u", EU), public("p", US), public("p", EU)


@dataclass
class Home:
    """Exchanges refresh tokens as a home does, and any other request is answered with the token that it had."""

    url: str = ""
    current: str = "first"
    before: str = ""
    key: str | None = None
    ended: bool = False
    failures: list[int] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    served: Counter = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self, body: dict, key: str | None) -> tuple[int, dict]:
        if self.ended:
            return 401, {"detail": "ended"}
        if body["refresh_token"] == self.current:
            following = hashlib.sha256(f"{self.current}{key}".encode()).hexdigest()
            self.before, self.current, self.key = self.current, following, key
        elif (body["refresh_token"], key) != (self.before, self.key) or key is None:
            self.ended = True
            return 401, {"detail": "reused"}
        tokens = {region: f"{region}-{self.current[:8]}" for region in body["regions"]}
        return 200, {"session": "s_1", "refresh_token": self.current, "tokens": tokens, "expires_in_s": 900}

    def respond(self, method: str, path: str, body: dict, headers: dict) -> tuple[int, dict]:
        self.served[f"{method} {path}"] += 1
        if path == "/v1/homes":
            return 200, HOMES
        if path == "/v1/sessions/refresh":
            return self.refresh(body, headers.get("Idempotency-Key"))
        token = headers.get("Authorization", "none").removeprefix("Bearer ")
        return (401, {}) if token in self.refused else (200, {"token": token})


class Handler(JsonHandler):
    home: Home

    def do(self) -> None:
        body = json.loads(self.body() or b"{}")
        with self.home.lock:
            status, document = self.home.respond(self.command, self.path, body, dict(self.headers))
            failure = self.home.failures.pop(0) if self.home.failures else None
        if failure == DROP:
            self.close_connection = True
            return
        self.send(failure or status, {}, document)

    do_GET = do_PUT = do_POST = do_DELETE = do


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home()
    with answering(Handler, home=made) as made.url:
        yield made


@pytest.fixture
def saved(home) -> SavedSession:
    return SavedSession(ANA, "ana@eu-west", home.url, "s_1", "first")


def refreshes(home: Home) -> int:
    return home.served["POST /v1/sessions/refresh"]


def token_of(client: Client, method: str, path: str) -> str:
    return client._json(method, path)["token"].partition("-")[0]


def test_each_request_has_a_token_for_its_region_and_no_other(home, saved):
    """By the first id in its path. What everybody may read elsewhere needs none, and gets none."""
    client = Client(home.url, MemoryStore(saved))
    assert token_of(client, "GET", f"/v1/users/{ANA}/feed") == "eu"
    assert token_of(client, "POST", "/v1/uploads/init") == "eu"
    assert token_of(client, "GET", f"/v1/photos/{ANAS_PHOTO}") == "eu"
    assert token_of(client, "PUT", f"/v1/photos/{BOBS_PHOTO}/like") == "us"
    assert token_of(client, "GET", f"/v1/photos/{BOBS_PHOTO}") == "none"
    assert token_of(client, "PUT", f"/v1/users/{ANA}/following/{public('u', US)}") == "eu"
    assert refreshes(home) == 2


@pytest.mark.parametrize("failure", [DROP, 502])
def test_who_is_signed_in_hears_that_their_home_does_not_answer(home, saved, failure):
    """Whether it is asked for a token or for what lies there; what lies elsewhere is not their home's."""
    client, away = Client(home.url, MemoryStore(saved)), "Your home region eu-west does not answer now"
    home.failures = [failure] * 5
    with pytest.raises(HomeAway, match=away):
        client.feed(ANA)
    client.feed(ANA)
    home.failures = [502] * 5
    with pytest.raises(HomeAway, match=away):
        client.feed(ANA)
    home.failures = [502] * 5
    with pytest.raises(ClientError) as raised:
        client.photo(BOBS_PHOTO)
    assert raised.value.status == 502 and not isinstance(raised.value, HomeAway)


def test_a_visitor_sends_no_token(home):
    assert token_of(Client(home.url), "GET", f"/v1/photos/{ANAS_PHOTO}") == "none"


def test_a_token_is_renewed_before_it_runs_out(home, saved):
    """A minute before."""
    now_s = [0.0]
    keyring = Keyring(MemoryStore(saved), HttpClient(home.url), lambda: now_s[0])
    first = keyring.token_for("eu-west")
    now_s[0] = 839.0
    assert keyring.token_for("eu-west") == first
    now_s[0] = 841.0
    assert keyring.token_for("eu-west") != first


def test_a_token_that_is_refused_is_renewed_once(home, saved):
    """After the machine slept, its clock does not say that it has run out."""
    client = Client(home.url, MemoryStore(saved))
    stale = client._json("POST", "/v1/uploads/init")["token"]
    home.refused.add(stale)
    assert client._json("POST", "/v1/uploads/init")["token"] not in ("none", stale)
    home.refused |= {f"eu-west-{home.current[:8]}"}
    assert refreshes(home) == 2


def test_threads_share_one_refresh(home, saved):
    """The refresh token is exchanged once, however many requests begin at once."""
    client = Client(home.url, MemoryStore(saved))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: token_of(client, "POST", "/v1/uploads/init"), range(16)))
    assert found == ["eu"] * 16 and refreshes(home) == 1


def test_a_lost_answer_loses_no_session(home, saved):
    """The same request is sent again, and gets the same answer."""
    home.failures = [DROP, DROP]
    client = Client(home.url, MemoryStore(saved))
    assert token_of(client, "POST", "/v1/uploads/init") == "eu"
    assert client.session.refresh_token == home.current and not home.ended


def test_an_ended_session_is_an_error_that_says_so(home, saved):
    home.ended = True
    with pytest.raises(ClientError) as raised:
        Client(home.url, MemoryStore(saved)).upload(b"x")
    assert raised.value.status == 401


@pytest.fixture
def data(tmp_path: Path, home, saved) -> Path:
    (tmp_path / "addresses.json").write_text(json.dumps({"edges": {"lisbon": home.url}, "origins": {}, "objects": {}}))
    profiles.keep(tmp_path, "Ana", "lisbon", saved)
    return tmp_path


def profile_client(data: Path, url: str) -> Client:
    return Client(url, profiles.ProfileStore(data, "ana"))


def refresh_in_a_process(data: Path, url: str, start) -> None:
    start.wait(10)
    assert token_of(profile_client(data, url), "POST", "/v1/uploads/init") == "eu"


def test_a_profile_keeps_the_newest_refresh_token(home, data):
    """For its owner alone; and the edge by its name, so that it stays valid if the ports change."""
    for _ in range(3):
        token_of(profile_client(data, home.url), "POST", "/v1/uploads/init")
    kept = profiles.profile(data, "ana")
    assert (kept.refresh_token, kept.pending_key, kept.home) == (home.current, "", "lisbon")
    assert (data / "profiles" / "ana.json").stat().st_mode & 0o077 == 0


def test_using_a_profile_does_not_make_it_the_default(home, data, saved):
    """Who signed in last stays it."""
    profiles.keep(data, "Bob", "lisbon", replace(saved, id=public("u", US)))
    token_of(profile_client(data, home.url), "POST", "/v1/uploads/init")
    assert profiles.profile(data, None).name == "bob"


def test_processes_that_use_one_profile_at_once_lose_no_session(home, data):
    """Each waits for the other's exchange, and goes on from it."""
    context = multiprocessing.get_context("fork")
    start = context.Event()
    processes = [context.Process(target=refresh_in_a_process, args=(data, home.url, start)) for _ in range(4)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert refreshes(home) == 4 and not home.ended
    assert profiles.profile(data, "ana").refresh_token == home.current


@pytest.mark.parametrize("dies_at", ["before the request", "after the answer"])
def test_a_process_that_dies_during_a_refresh_loses_no_session(home, data, monkeypatch, dies_at):
    """Its key is in the file: the next one sends the same request, and gets the same answer."""
    store, written = profiles.ProfileStore(data, "ana"), []

    def write(session):
        written.append(session)
        if dies_at == "after the answer" and not session.pending_key:
            raise KeyboardInterrupt
        profiles.ProfileStore(data, "ana").write(session)
        if dies_at == "before the request":
            raise KeyboardInterrupt

    monkeypatch.setattr(store, "write", write)
    with pytest.raises(KeyboardInterrupt):
        token_of(Client(home.url, store), "POST", "/v1/uploads/init")
    assert profiles.profile(data, "ana").pending_key == written[0].pending_key != ""
    assert token_of(profile_client(data, home.url), "POST", "/v1/uploads/init") == "eu"
    assert not home.ended and profiles.profile(data, "ana").refresh_token == home.current
