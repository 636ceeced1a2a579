"""Operators' commands ask who gives them, and keep what was done."""

import json
import re
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from darkroom.cli import main
from darkroom.operate import operators
from regions import config, keys, operator_acts
from regions.operator_acts import Act
from regions.residency.statement import Operator, Role
from regions.stores.settings import ACTS, KNOWN_BAD, act_key, history_key
from tests.builders.operators import state_operators
from tests.builders.statements import Compliance
from tests.builders.topologies import prepared_region

LIST = "# nothing\n"


@pytest.fixture
def topology(tmp_path):
    return prepared_region(tmp_path)


@pytest.fixture
def team():
    return Compliance()


@pytest.fixture
def files(topology, tmp_path, team):
    """The keys of Ana, a moderator, of Olga, an operator, and of Eva, whom no statement lists."""
    roles = {"ana": {Role.MODERATOR}, "olga": {Role.OPERATOR, Role.AUDITOR}}
    found = state_operators(config.load(topology, {}), tmp_path, team, **roles)
    main(["policy", "new-key", str(tmp_path / "eva.pem")])
    return found | {"eva": tmp_path / "eva.pem"}


@pytest.fixture
def run(topology, tmp_path, monkeypatch):
    """`run(key file, *arguments)`: the exit code of a command."""

    def run(key, *arguments) -> int:
        monkeypatch.setenv(operators.KEY_FILE, str(key))
        return main([*arguments, "--topology", str(topology)])

    return run


@pytest.fixture
def known_bad(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(LIST)
    return ["known-bad", "set", str(file)]


def value(topology, key) -> str | None:
    with closing(config.open_settings(config.load(topology, {}), "eu-west")) as settings:
        setting = settings.values.read(key)
        return setting.value if setting else None


def records(topology) -> dict[str, str]:
    with closing(config.open_settings(config.load(topology, {}), "eu-west")) as settings:
        return {key: setting.value for key, setting in settings.values.tree(ACTS).items()}


def test_who_has_the_role_may_do_it_and_it_is_kept(topology, files, run, known_bad, capsys):
    assert run(files["ana"], *known_bad) == 0
    assert value(topology, KNOWN_BAD) == LIST
    assert run(files["olga"], "acts", "eu-west") == 0
    shown = capsys.readouterr().out
    assert "ana" in shown and "moderator" in shown and "known-bad set" in shown


def test_the_time_of_an_act_is_whole_in_a_narrow_terminal(files, run, known_bad, capsys, monkeypatch):
    """The other columns are folded. An empty list is called that."""
    monkeypatch.setenv("COLUMNS", "60")
    assert run(files["ana"], *known_bad) == 0
    capsys.readouterr()
    assert run(files["olga"], "acts", "eu-west") == 0
    shown = capsys.readouterr().out
    assert re.search(r"[0-9-]{10}T[0-9:.]{8,12}Z ", shown)
    assert "empty" in shown and "version" not in shown


@pytest.mark.parametrize(("who", "error"), [("olga", "for the role moderator"), ("eva", "lists no operator with this")])
def test_nobody_else_may_do_it(topology, files, run, known_bad, capsys, who, error):
    """And nothing of it is done or kept."""
    assert run(files[who], *known_bad) == 1
    assert error in " ".join(capsys.readouterr().err.split())
    assert value(topology, KNOWN_BAD) is None and records(topology) == {}


@pytest.mark.parametrize("arguments", [["reprocess", "eu-west"], ["recover", "u_00000000001"]])
def test_each_command_that_changes_something_asks_for_a_role(files, run, arguments):
    """That of an operator."""
    assert run(files["ana"], *arguments) == 1


def test_without_a_key_the_command_says_how_to_get_one(topology, files, known_bad, capsys, tmp_path):
    assert main([*known_bad, "--topology", str(topology), "--data", str(tmp_path)]) == 1
    assert "darkroom policy new-key" in " ".join(capsys.readouterr().err.split())


def test_a_forged_record_is_shown_as_one(topology, files, run, known_bad, capsys):
    """Who can write to the settings can't act in another's name."""
    assert run(files["ana"], *known_bad) == 0
    [(key, record)] = records(topology).items()
    document = json.loads(record)
    document["act"] = document["act"].replace("an empty", "another")
    with closing(config.open_settings(config.load(topology, {}), "eu-west")) as settings:
        settings.values.write(f"{key}-x", json.dumps(document))
    assert run(files["olga"], "acts", "eu-west") == 1
    assert "has not signed it" in " ".join(capsys.readouterr().out.split())


def test_a_copy_of_a_record_is_shown_as_forged(topology, files, run, known_bad, capsys):
    """Whether it is one of this region, at another time, or one of another region."""
    assert run(files["ana"], *known_bad) == 0
    [(key, record)] = records(topology).items()
    private = keys.private_key(files["ana"].read_text())
    elsewhere = Act("ana", Role.MODERATOR, "known-bad set", "version 1", "us-central", 1_800_000_000_000)
    copies = {f"{key[:-1]}x": record, act_key(1_800_000_000_000, "0" * 16): record}
    copies[operator_acts.key_of(elsewhere)] = operator_acts.signed_text(elsewhere, private)
    with closing(config.open_settings(config.load(topology, {}), "eu-west")) as settings:
        for other, text in copies.items():
            settings.values.write(other, text)
    assert run(files["olga"], "acts", "eu-west") == 1
    shown = capsys.readouterr().out
    assert shown.count("known-bad set") == 1 and shown.count("?") == 3 * len(copies)


def test_who_is_listed_no_longer_has_acted_all_the_same(topology, files, run, known_bad, team, capsys, tmp_path):
    """Records are checked by the statement of their time."""
    assert run(files["ana"], *known_bad) == 0
    later = state_operators(config.load(topology, {}), tmp_path, team, olga={Role.MODERATOR})
    assert run(files["ana"], *known_bad) == 1
    assert run(later["olga"], *known_bad) == 0
    assert run(later["olga"], "acts", "eu-west") == 0
    assert "ana" in capsys.readouterr().out


def test_what_somebody_has_put_into_the_history_lists_nobody(topology, files, run, capsys):
    """A statement of their own, in which they are an operator, with an act that they have signed."""
    private = Ed25519PrivateKey.generate()
    mallory = Operator(frozenset(Role), keys.public_text(private.public_key()))
    fake = Compliance().states(operators={"ana": mallory})
    act = operator_acts.signed_text(Act("ana", Role.OPERATOR, "recover", "u_1", "eu-west", 7), private)
    with closing(config.open_settings(config.load(topology, {}), "eu-west")) as settings:
        settings.values.write(history_key(fake.hash), fake.signed)
        settings.values.write(act_key(7, "x"), act)
    assert run(files["olga"], "acts", "eu-west") == 1
    assert run(files["olga"], "policy", "history") == 0
    assert fake.hash[:8] not in capsys.readouterr().out
