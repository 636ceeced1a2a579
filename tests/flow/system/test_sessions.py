"""Sessions on a running system: the processes of all regions learn what has ended."""

import sqlite3
from contextlib import closing

import pytest

from darkroom.client.client import Client, ClientError
from darkroom.client.keyring import MemoryStore
from tests.builders.accounts import PASSPHRASE

REVOKED_WITHIN_S = 5


def test_an_ended_session_is_refused_in_every_region_within_seconds(system, draw, eventually):
    """Its access tokens would be good for a quarter of an hour: at home, and where Ana likes a photo."""
    ana, bob = system.person("Ana", "PT", "lisbon"), system.person("Bob", "US", "chicago")
    photo_id = bob.upload_ready(draw(931))["id"]
    lost = ana.client
    lost.like(photo_id)
    tokens = {region: lost._keyring.token_for(region) for region in ("eu-west", "us-central")}
    session = lost.session
    # A second session, as of another device, ends the first.
    other = Client(system.edges["lisbon"])
    other.sign_in(session.handle, PASSPHRASE)
    other.end_session(session.session)

    def refused(method: str, path: str, region: str) -> bool:
        try:
            lost._http.json(method, path, token=tokens[region])
        except ClientError as error:
            return error.status == 401
        return False

    eventually(lambda: refused("GET", f"/v1/users/{ana.id}/feed", "eu-west"), REVOKED_WITHIN_S)
    eventually(lambda: refused("PUT", f"/v1/photos/{photo_id}/like", "us-central"), REVOKED_WITHIN_S)
    with pytest.raises(ClientError) as raised:
        Client(system.edges["chicago"], MemoryStore(session)).feed(ana.id)
    assert raised.value.status == 401


def test_a_passphrase_is_kept_as_a_hash_of_the_full_cost(system):
    """In the real process, as in its own tests."""
    ana = system.person("Ana", "PT", "lisbon")
    (file,) = system.data.rglob("eu-west/catalog.db")
    query = "SELECT verifier FROM credentials WHERE user_id = ? AND kind = 'passphrase'"
    with closing(sqlite3.connect(file)) as catalog:
        [(verifier,)] = catalog.execute(query, (ana.id,)).fetchall()
    assert verifier.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert system.files_with([PASSPHRASE.encode(), ana.client.session.refresh_token[-40:].encode()]) == []


def test_a_token_that_came_with_a_like_deletes_no_photo_at_home(system, draw):
    """A server that receives it can use it in its own region only."""
    ana, bob = system.person("Ana", "PT", "lisbon"), system.person("Bob", "US", "chicago")
    own, liked = ana.upload_ready(draw(932))["id"], bob.upload_ready(draw(933))["id"]
    ana.client.like(liked)
    received = ana.client._keyring.token_for("us-central")
    for edge in system.edges.values():
        with pytest.raises(ClientError) as raised:
            Client(edge)._http.json("DELETE", f"/v1/photos/{own}", token=received)
        assert raised.value.status == 401
    assert ana.client.photo(own)["status"] == "ready"


def test_an_account_is_deleted_with_its_photos(system, draw, eventually):
    """By the janitor, which looks once a minute."""
    ana = system.person("Ana", "PT", "lisbon")
    photo_id = ana.upload_ready(draw(934))["id"]
    ana.client.delete_account(PASSPHRASE)
    visitor = Client(system.edges["lisbon"])

    def gone() -> bool:
        try:
            visitor.photo(photo_id)
        except ClientError as error:
            return error.status == 404
        return False

    eventually(gone, 90)
    with pytest.raises(ClientError):
        visitor.user(ana.id)
