"""`darkroom signin` and `signout` at a small real home."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.cli import main
from darkroom.client import profiles
from darkroom.client.client import Client
from darkroom.client.http import ClientError
from darkroom.client.keyring import MemoryStore, SavedSession
from tests.builders.http import JsonHandler, answering

ANA = "ana@eu-west"


class AccountHandler(JsonHandler):
    """Signs anybody in, and answers that every earlier session has ended."""

    url: str

    def do(self) -> None:
        self.body()
        path = self.path.partition("?")[0]
        if path == "/v1/homes":
            self.send(200, {}, {"region": "eu-west", "number": 0, "url": self.url})
        elif path == "/v1/sessions":
            session = {"id": "u_00000000001", "handle": ANA, "session": "s_2", "refresh_token": "second"}
            self.send(201, {}, session | {"tokens": {}, "expires_in_s": 900})
        else:
            self.send(401, {}, {"title": "Sign in first", "detail": "this session has ended"})

    do_GET = do_POST = do_DELETE = do


@pytest.fixture
def url() -> Iterator[str]:
    handler = type("BoundHandler", (AccountHandler,), {})
    with answering(handler) as handler.url:
        yield handler.url


@pytest.fixture
def saved(url) -> SavedSession:
    return SavedSession("u_00000000001", ANA, url, "s_1", "first")


@pytest.fixture
def signin(tmp_path: Path, url):
    """`signin(handle, *arguments)`: the exit code."""
    (tmp_path / "passphrase").write_text("four words to remember")
    file = str(tmp_path / "passphrase")

    def run(handle: str, *arguments: str) -> int:
        known = ["signin", handle, "--data", str(tmp_path), "--edge", url, "--passphrase-file", file]
        return main([*known, *arguments])

    return run


def token(data: Path) -> str:
    return profiles.profile(data, "ana").refresh_token


def test_a_session_that_has_ended_already_is_forgotten_here(tmp_path, url, saved):
    profiles.keep(tmp_path, "ana", url, saved)
    assert main(["signout", "--data", str(tmp_path)]) == 0
    assert profiles.find(tmp_path, "ana") is None


def test_the_client_signs_out_of_a_session_that_has_ended(url, saved):
    client = Client(url, MemoryStore(saved))
    client.sign_out()
    assert client.session is None


def test_signing_in_again_replaces_ones_own_session(tmp_path, url, saved, signin):
    profiles.keep(tmp_path, "ana", url, saved)
    assert signin(ANA) == 0
    assert token(tmp_path) == "second"


def test_somebody_elses_session_is_replaced_only_when_asked(tmp_path, url, saved, signin, capsys):
    profiles.keep(tmp_path, "ana", url, saved)
    assert signin("ana@us-central") == 1
    assert "--replace" in capsys.readouterr().err and token(tmp_path) == "first"
    assert signin("ana@us-central", "--replace") == 0
    assert token(tmp_path) == "second"


def test_somebody_is_followed_by_their_id(url, signin, tmp_path, capsys):
    """A handle is for signing in. The message says where the id is."""
    assert signin("ana@eu-west") == 0
    assert main(["follow", "bob@us-central", "--data", str(tmp_path)]) == 2
    assert "bob@us-central is a handle" in capsys.readouterr().err


def test_a_handle_without_its_region_is_explained(url, signin, capsys):
    """By the command and by the client."""
    assert signin("dan") == 2
    assert "Write your handle with its region, such as ana@eu-west." in " ".join(capsys.readouterr().err.split())
    with pytest.raises(ClientError, match="Write your handle with its region, such as ana@eu-west") as raised:
        Client(url).sign_in("dan", "four words to remember")
    assert raised.value.status == 400


def test_who_has_not_signed_in_hears_where_that_was_looked_for(tmp_path, capsys):
    assert main(["feed", "--data", str(tmp_path)]) == 1
    assert str(tmp_path / "profiles") in capsys.readouterr().err.replace("\n", "")
