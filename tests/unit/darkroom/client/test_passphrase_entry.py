"""Where commands get passphrases and handles from."""

import getpass
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.client import passphrase_entry
from darkroom.client.passphrase_entry import choose_passphrase, generate_passphrase, propose_handle, read_passphrase
from darkroom.command_error import CommandError
from origin.accounts import passphrases
from origin.accounts.sign_up import HANDLE


@pytest.fixture
def terminal(monkeypatch):
    """What somebody types, in order; `terminal(None)` is no terminal."""

    def types(*lines):
        typed = list(lines)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: lines != (None,), raising=False)
        monkeypatch.setattr(getpass, "getpass", lambda prompt="": typed.pop(0))

    return types


@given(st.text(max_size=80))
def test_every_name_has_a_handle_that_the_home_accepts(name):
    assert re.fullmatch(HANDLE, propose_handle(name))


def test_a_handle_looks_like_the_name():
    """Letters of other scripts give a number."""
    assert propose_handle("Ana Sofía") == "ana_sofia"
    assert re.fullmatch("user_[0-9]{4}", propose_handle("Мария"))


def test_a_generated_passphrase_is_accepted_and_new():
    made = {generate_passphrase() for _ in range(100)}
    assert len(made) == 100
    assert all(passphrases.chosen({"passphrase": one}, "passphrase") == one for one in made)


def test_a_passphrase_is_chosen_at_the_terminal_twice(terminal):
    """Nobody sees it; who types nothing gets one that is shown."""
    terminal("four words to type", "four words to type")
    assert choose_passphrase(None) == ("four words to type", False)
    terminal("four words to type", "four words to tipe")
    with pytest.raises(CommandError):
        choose_passphrase(None)
    terminal("")
    assert choose_passphrase(None)[1] is True


def test_without_a_terminal_a_new_passphrase_is_made_and_an_old_one_must_be_in_a_file(terminal):
    terminal(None)
    assert choose_passphrase(None)[1] is True
    with pytest.raises(CommandError, match="missing"):
        read_passphrase(None)


def test_a_passphrase_is_the_first_line_of_its_file(tmp_path):
    """As it is, with its spaces."""
    file = tmp_path / "passphrase"
    file.write_text(" four words \nand more\n")
    assert read_passphrase(file) == " four words " and choose_passphrase(file) == (" four words ", False)
    for content in (b"", b"\nlater", b"\xff\xfe\xff"):
        file.write_bytes(content)
        with pytest.raises(CommandError):
            read_passphrase(file)
    assert 1000 <= passphrase_entry.another_number() <= 9999
