"""The table of commands: help, wrong usage and exit codes."""

import importlib
from pathlib import Path

import pytest

from darkroom.cli import COMMANDS, main
from darkroom.client.keyring import SavedSession
from darkroom.client.profiles import keep, profile
from darkroom.command_line import typed


def test_help_names_every_command(capsys):
    """With examples, and exit code 0."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    listed = {
        line.split()[0] for line in shown.partition("commands:")[2].partition("examples:")[0].splitlines() if line
    }
    assert {*(command.name.partition(" ")[0] for command in COMMANDS), "run"} <= listed
    assert "examples:" in shown


@pytest.mark.parametrize("rest", [[], ["edge", "lisbon", "--topology", "topology.toml"]])
def test_what_stands_before_run_is_refused_with_the_right_order(capsys, rest):
    """It was called no command at all."""
    assert main(["--data", "var", "run", *rest]) == 2
    assert "darkroom run KIND NAME --topology FILE" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_and_a_function(command, capsys):
    """Every function that the table names exists."""
    module, _, name = command.function.partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert main([*command.name.split(), "--help"]) == 0
    assert "usage: darkroom" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["upload"], ["up", "--port", "many"], ["run", "cook", "x"], ["policy"]]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    """The usage is shown."""
    assert exit_code(arguments) == 2
    assert "usage: darkroom" in capsys.readouterr().err


def exit_code(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_a_command_without_a_system_explains_how_to_start_one(tmp_path, capsys):
    """The exit code is 1."""
    assert main(["--data", str(tmp_path), "signup", "--name", "Ana", "--country", "PT"]) == 1
    assert "darkroom up" in capsys.readouterr().err


def test_a_command_that_needs_a_user_explains_how_to_sign_up(tmp_path, capsys):
    """The exit code is 1."""
    assert main(["feed", "--data", str(tmp_path)]) == 1
    assert "darkroom signup" in capsys.readouterr().err


def test_the_last_profile_is_the_default(tmp_path):
    """Another is chosen by name; a name is never used as a path."""
    for name, user_id in (("ana", "u_1"), ("../bob", "u_2")):
        keep(tmp_path, name, "lisbon", SavedSession(user_id, f"{name}@eu-west", "http://home.test", "s_1", "secret"))
    paths = list((tmp_path / "profiles").iterdir())
    assert [path.name for path in sorted(paths)] == ["ana.json", "bob.json"]
    assert not [path for path in paths if path.stat().st_mode & 0o077]
    assert profile(tmp_path, None).id == "u_2"
    assert profile(tmp_path, "Ana").id == "u_1"


def test_a_folder_without_photos_is_wrong_usage(tmp_path, capsys):
    """The demo reports it before it starts anything."""
    assert main(["demo", "--once", "--photos", str(tmp_path), "--data", str(tmp_path / "var")]) == 2
    assert not (tmp_path / "var").exists()
    assert "no photos" in capsys.readouterr().err


def test_ctrl_c_while_modules_are_imported_ends_a_command_without_a_traceback(monkeypatch, capsys):
    """As in the first second of `darkroom up`."""

    def interrupted(name: str):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["up"]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


@pytest.mark.parametrize(
    ("data", "profile", "shown"),
    [
        (Path("var"), None, "darkroom feed"),
        (Path("var"), "bob", "darkroom --as bob feed"),
        (Path("/tmp/d2"), "bob", "darkroom --data /tmp/d2 --as bob feed"),
    ],
)
def test_a_command_that_is_printed_is_for_the_same_system_and_person(data, profile, shown):
    assert typed("feed", data, profile) == shown
