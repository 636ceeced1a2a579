"""The command's table: help, wrong usage, and exit codes."""

import importlib

import pytest

from darkroom.cli import COMMANDS, main
from darkroom.client.profiles import Profile, keep, profile


def test_help_names_every_command(capsys):
    """With examples, and exit code 0."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(command.name in shown for command in COMMANDS)
    assert "examples:" in shown


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_and_a_function(command, capsys):
    """The table names functions that are there."""
    module, _, name = command.function.partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert main([command.name, "--help"]) == 0
    assert "usage: darkroom" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["dance"], ["upload"], ["up", "--port", "many"], ["run", "cook", "x"]])
def test_a_wrong_usage_exits_with_2(arguments, capsys):
    """And says how it is used."""
    assert exit_code(arguments) == 2
    assert "usage: darkroom" in capsys.readouterr().err


def exit_code(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_a_command_without_a_system_says_how_to_start_one(tmp_path, capsys):
    """Exit code 1, and the way out."""
    assert main(["--data", str(tmp_path), "signup", "--name", "Ana", "--country", "PT"]) == 1
    assert "darkroom up" in capsys.readouterr().err


def test_a_command_that_needs_a_person_says_how_to_become_one(tmp_path, capsys):
    """Signing up comes first."""
    assert main(["feed", "--data", str(tmp_path)]) == 1
    assert "darkroom signup" in capsys.readouterr().err


def test_the_last_to_sign_up_is_who_acts(tmp_path):
    """Unless a name is given; names are not paths."""
    keep(tmp_path, Profile("ana", "lisbon", "u_1", "t1"))
    path = keep(tmp_path, Profile("../bob", "chicago", "u_2", "t2"))
    assert path.parent == tmp_path / "profiles"
    assert path.stat().st_mode & 0o077 == 0
    assert profile(tmp_path, None).id == "u_2"
    assert profile(tmp_path, "Ana").id == "u_1"


def test_a_folder_of_no_photos_is_a_wrong_usage(tmp_path, capsys):
    """The demo says so before it starts anything."""
    assert main(["demo", "--once", "--photos", str(tmp_path), "--data", str(tmp_path / "var")]) == 2
    assert not (tmp_path / "var").exists()
    assert "no photos" in capsys.readouterr().err
