"""`darkroom signup` at a small real home whose answers get lost: given again, it makes no second account."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from darkroom.cli import main
from darkroom.client import account_commands, profiles
from tests.builders.http import JsonHandler, answering

TYPED = "four words to remember"
CODES = [f"AAAA-AAAA-AAAA-AAA{number}" for number in range(10)]
LOST = -1
"""Instead of a status: what was asked is done, and the answer gets lost."""


@dataclass
class Home:
    """Accounts by handle, each with its passphrase; `fails` has the next statuses of sign-ups."""

    url: str = ""
    accounts: dict[str, str] = field(default_factory=dict)
    fails: list[int] = field(default_factory=list)
    codes_fail: list[int] = field(default_factory=list)
    served: Counter = field(default_factory=Counter)

    def respond(self, request: str, body: dict) -> tuple[int, dict]:
        self.served[request] += 1
        if request == "GET /v1/homes":
            return 200, {"region": "eu-west", "number": 0, "url": self.url}
        if request == "POST /v1/users":
            return self.signed_up(body)
        if request == "POST /v1/sessions":
            is_right = self.accounts.get(body["handle"].partition("@")[0]) == body["passphrase"]
            return (201, self.session(body["handle"])) if is_right else (401, {"title": "This did not sign you in"})
        if request.endswith("/confirmation"):
            return 200, {"token": "fresh"}
        if request.endswith("/recovery-codes"):
            status = self.codes_fail.pop(0) if self.codes_fail else 200
            return status, {"recovery_codes": [code.replace("A", "B") for code in CODES]}
        return 404, {}

    def signed_up(self, body: dict) -> tuple[int, dict]:
        status = self.fails.pop(0) if self.fails else 201
        if status in (LOST, 201):
            if body["handle"] in self.accounts:
                return 409, {"title": "That is not possible in the current state", "detail": "taken"}
            self.accounts[body["handle"]] = body["passphrase"]
        return status, self.session(f"{body['handle']}@eu-west") | {"recovery_codes": CODES}

    def session(self, handle: str) -> dict:
        who = {"id": "u_00000000001", "handle": handle, "home_region": "eu-west"}
        return who | {"session": "s_1", "refresh_token": "first", "tokens": {"eu-west": "t"}, "expires_in_s": 900}


class Handler(JsonHandler):
    home: Home

    def do(self) -> None:
        body = json.loads(self.body() or b"{}")
        status, document = self.home.respond(f"{self.command} {self.path.partition('?')[0]}", body)
        self.close_connection = status == LOST
        if status != LOST:
            self.send(status, {}, document)

    do_GET = do_POST = do


@pytest.fixture
def home() -> Iterator[Home]:
    with answering(Handler, home=(made := Home())) as made.url:
        yield made


@pytest.fixture
def signup(home, tmp_path, capsys):
    """`signup(*arguments)`: the exit code, and all that was printed. Nobody can type."""

    def run(*arguments: str) -> tuple[int, str]:
        command = ["signup", "--name", "Ana", "--country", "pt", "--data", str(tmp_path), "--edge", home.url]
        code = main([*command, *arguments])
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return run


def left_over(tmp_path) -> list:
    return list((tmp_path / "sign-ups").glob("*"))


def test_a_sign_up_that_got_no_answer_is_given_again_and_is_one_account(home, signup, tmp_path):
    """With recovery codes in place of those that nobody has seen, and the passphrase that was made for it."""
    home.fails = [LOST]
    code, printed = signup()
    assert code == 1
    assert "Your home region eu-west does not answer now" in printed
    assert "→ Give the same command again: it makes no second account." in printed
    [file] = left_over(tmp_path)
    assert file.stat().st_mode & 0o077 == 0
    code, printed = signup()
    assert (code, list(home.accounts)) == (0, ["ana"])
    assert "You are ana@eu-west" in printed and home.accounts["ana"] in printed
    assert CODES[7].replace("A", "B") in printed and CODES[7] not in printed
    assert profiles.profile(tmp_path, "ana").handle == "ana@eu-west"
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_sign_up_that_did_nothing_is_sent_again(home, signup, tmp_path, status):
    """It may be carried out once processes go on, so the handle stays the same."""
    home.fails = [status]
    assert signup()[0] == 1
    code, printed = signup()
    assert (code, list(home.accounts)) == (0, ["ana"])
    assert CODES[7] in printed
    assert left_over(tmp_path) == []


def test_it_is_given_again_until_somebody_has_seen_the_codes(home, signup, tmp_path):
    home.fails, home.codes_fail = [LOST], [502]
    assert [signup()[0] for _ in range(3)] == [1, 1, 0]
    assert list(home.accounts) == ["ana"] and left_over(tmp_path) == []


def test_whose_codes_could_not_be_shown_is_signed_in_and_sees_others(home, signup, tmp_path, monkeypatch):
    """Nobody read what was printed: `darkroom signup … | head -1`."""

    def broken(*arguments: object) -> None:
        raise BrokenPipeError

    with monkeypatch.context() as unread:
        unread.setattr(account_commands, "_show_signed_up", broken)
        assert signup()[0] == 1
    assert profiles.profile(tmp_path, "ana").handle == "ana@eu-west"
    code, printed = signup()
    assert (code, list(home.accounts)) == (0, ["ana"])
    assert CODES[7].replace("A", "B") in printed
    assert signup()[0] == 1


def test_a_handle_that_somebody_else_took_meanwhile_is_varied(home, signup):
    """Its passphrase opens nothing there, so it is not ours."""
    home.fails = [502]
    assert signup()[0] == 1
    home.accounts["ana"] = "somebody else's passphrase"
    code, printed = signup()
    assert code == 0 and "You are ana_" in printed
    [_, other] = home.accounts
    assert other.startswith("ana_") and other.count("_") == 1


def test_a_passphrase_that_was_typed_is_not_kept(home, signup, tmp_path):
    """It is typed again; who types another one hears it, and no second account is made."""
    typed = tmp_path / "typed"
    typed.write_text(TYPED)
    home.fails = [LOST]
    assert signup("--passphrase-file", str(typed))[0] == 1
    [file] = left_over(tmp_path)
    assert TYPED not in file.read_text()
    typed.write_text("four other words here")
    code, printed = signup("--passphrase-file", str(typed))
    assert code == 1 and "this passphrase does not open it" in printed
    typed.write_text(TYPED)
    code, printed = signup("--passphrase-file", str(typed))
    assert (code, list(home.accounts)) == (0, ["ana"])
    assert TYPED not in printed


def test_one_that_was_refused_leaves_nothing(home, signup, tmp_path):
    """Nothing was made. After one that got no answer, a refusal says nothing about that one."""
    home.fails = [400]
    assert signup()[0] == 1
    assert left_over(tmp_path) == []
    home.fails = [LOST, 429]
    assert [signup()[0] for _ in range(3)] == [1, 1, 0]
    assert list(home.accounts) == ["ana"]


def test_another_name_or_country_is_another_sign_up(home, signup, tmp_path):
    home.fails = [LOST]
    assert signup()[0] == 1
    assert signup("--name", "Bea")[0] == 0
    assert signup("--country", "ES")[0] == 0
    assert len(home.accounts) == 3


def test_a_handle_that_was_asked_for_and_is_taken_is_not_varied(home, signup):
    home.accounts["ana"] = "somebody else's passphrase"
    code, printed = signup("--handle", "ana")
    assert code == 1 and "The handle ana is taken." in printed
    assert list(home.accounts) == ["ana"]
