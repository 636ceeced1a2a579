"""`darkroom policy`: from a policy file to the statement that a region holds, and back to an earlier one."""

import json
import shutil
from contextlib import closing

import pytest

from darkroom.cli import main
from darkroom.local import data_folder
from darkroom.local.compliance import shipped_policy, signers_text
from darkroom.operate import statement_files
from regions import config, keys
from regions.residency.statement import Signers
from regions.stores.settings import STATEMENT

MACHINE = data_folder.read_machine()
PORTS = {process.name: 20_000 + number for number, process in enumerate(MACHINE.processes())}


@pytest.fixture
def data(tmp_path):
    """A folder as `darkroom up` leaves it: the first statement is in every region."""
    data_folder.prepare(tmp_path, MACHINE, PORTS)
    return tmp_path


@pytest.fixture
def bare(data):
    """The same, before anybody has stated anything: two of three officers are to sign."""
    loaded = config.load(data / "topology.toml", {})
    for region in MACHINE.regions:
        with closing(config.open_settings(loaded, region)) as settings:
            for key in settings.values.tree("residency/"):
                settings.values.delete(key)
    shutil.rmtree(data / "compliance")
    public = {}
    for name in ("ana", "bob", "eva"):
        assert main(["policy", "new-key", str(data / f"{name}.pem")]) == 0
        public[name] = keys.public_text(keys.private_key((data / f"{name}.pem").read_text()).public_key())
    (data / "signers.json").write_text(signers_text(Signers(2, public)))
    return data


@pytest.fixture
def policy(data):
    """A policy file that differs from the shipped one."""
    file = data / "new.yaml"
    denial = "    rules:\n      - {deny: [serve], at: [sydney], because: The operator there has given notice.}\n"
    file.write_text(shipped_policy().replace("    rules:\n", denial, 1))
    return file


def run(data, *arguments) -> int:
    return main(["policy", *map(str, arguments), "--data", str(data)])


def held(data):
    """The statement of each region, or None."""
    return statement_files.held(config.load(data / "topology.toml", {}))


def test_a_policy_is_applied_in_one_region_with_the_key_of_the_folder(data, policy, capsys):
    """From there it spreads, while origins run."""
    assert run(data, "apply", policy, "--because", "Sydney ends.", "--region", "us-central") == 0
    statement = held(data)["us-central"]
    assert (statement.serial, statement.because, statement.policy_text) == (2, "Sydney ends.", policy.read_text())
    assert (held(data)["eu-west"].serial, statement.previous) == (1, held(data)["eu-west"].hash)
    assert "darkroom policy status" in capsys.readouterr().out


def test_without_a_reason_nothing_is_stated(data, policy, capsys):
    """It stays in the history for good."""
    assert run(data, "apply", policy) == 2
    assert "--because" in capsys.readouterr().err
    assert {one.serial for one in held(data).values()} == {1}


def test_a_statement_that_would_change_nothing_is_not_made(data, policy, capsys):
    """The history would have one more, and everybody would wait for a lease."""
    assert run(data, "apply", policy, "--because", "Sydney ends.") == 0
    assert run(data, "apply", policy, "--because", "Sydney ends again.") == 1
    assert "Statement 2 says all of this already" in capsys.readouterr().err
    assert held(data)["eu-west"].serial == 2


def test_a_policy_with_a_mistake_is_not_stated(data, policy, capsys):
    """The message has its line."""
    policy.write_text(policy.read_text().replace("[sydney]", "[sidney]", 1))
    assert run(data, "apply", policy, "--because", "Sydney ends.") == 1
    assert "sidney" in capsys.readouterr().err
    assert {one.serial for one in held(data).values()} == {1}


def test_two_of_three_officers_sign_the_first_statement(bare, policy, capsys):
    """One signature is not enough, and neither is one twice. Each officer sees what they sign."""
    out = bare / "first.statement"
    assert run(bare, "sign", policy, "--key", bare / "ana.pem", "--out", out, "--because", "The first one.") == 0
    assert run(bare, "sign", out, "--key", bare / "ana.pem", "--out", out) == 0
    assert run(bare, "apply", out) == 1
    assert set(held(bare).values()) == {None}
    capsys.readouterr()
    assert run(bare, "sign", out, "--key", bare / "eva.pem", "--out", out) == 0
    shown = capsys.readouterr().out
    for words in ("has given notice", "The place sydney is new.", "2 of 2 signatures"):
        assert words in " ".join(shown.split())
    assert run(bare, "apply", out) == 0
    assert held(bare)["eu-west"].serial == 1


def test_a_key_of_somebody_else_signs_nothing(bare, policy, capsys):
    """Its owner is not of the compliance team."""
    assert main(["policy", "new-key", str(bare / "mallory.pem")]) == 0
    assert run(bare, "sign", policy, "--key", bare / "mallory.pem", "--because", "Mine.") == 1
    assert "ana, bob, eva" in capsys.readouterr().err


def test_an_earlier_policy_comes_back_under_a_new_serial(data, policy, capsys):
    """The history has all three."""
    assert run(data, "apply", policy, "--because", "Sydney ends.") == 0
    assert run(data, "rollback", "1", "--because", "Sydney goes on.") == 0
    statement = held(data)["eu-west"]
    assert (statement.serial, statement.policy_text) == (3, shipped_policy())
    capsys.readouterr()
    assert run(data, "history") == 0
    shown = capsys.readouterr().out
    assert all(because in shown for because in ("The first statement.", "Sydney ends.", "Sydney goes on."))
    assert run(data, "show", "2") == 0
    assert capsys.readouterr().out == policy.read_text()
    assert run(data, "show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["serial"] == 3
    assert run(data, "show", "9") == 1


def test_a_statement_that_others_have_overtaken_is_not_published(data, policy, capsys):
    """It would take back what the other one says."""
    key, out = data / "compliance" / "officer-1.pem", data / "late.statement"
    assert run(data, "sign", policy, "--key", key, "--out", out, "--because", "Late.") == 0
    assert run(data, "apply", policy, "--because", "Sydney ends.") == 0
    assert run(data, "apply", out) == 1
    assert "statement 2 already" in " ".join(capsys.readouterr().err.split())


def test_who_signs_is_changed_by_a_statement(data, policy, capsys):
    """Both sign it: so nobody appoints a key that nobody has. From the next one on only the others do."""
    assert main(["policy", "new-key", str(data / "ana.pem")]) == 0
    private = keys.private_key((data / "ana.pem").read_text())
    (data / "next.json").write_text(signers_text(Signers(1, {"ana": keys.public_text(private.public_key())})))
    first, officer = data / "first.statement", data / "compliance" / "officer-1.pem"
    taking_over = ["--because", "Ana takes over.", "--signers", data / "next.json", "--out", first]
    assert run(data, "sign", policy, "--key", officer, *taking_over) == 0
    assert run(data, "apply", first) == 1
    assert run(data, "sign", first, "--key", data / "ana.pem", "--out", first) == 0
    assert run(data, "apply", first) == 0
    capsys.readouterr()
    policy.write_text(shipped_policy())
    assert run(data, "apply", policy, "--because", "Officer 1 again.") == 1
    advice = capsys.readouterr().err
    assert "darkroom policy sign --help" in advice and "port" not in advice
    out = data / "hers.statement"
    assert run(data, "sign", policy, "--key", data / "ana.pem", "--out", out, "--because", "Ana's first.") == 0
    assert run(data, "apply", out) == 0
    assert held(data)["eu-west"].serial == 3


def test_one_region_whose_settings_hold_nothing_valid_blocks_no_change(data, policy, capsys):
    """The message names it. Where a majority can't be asked, what is newest can't be known."""
    loaded = config.load(data / "topology.toml", {})
    for region, code in (("us-central", 0), ("eu-central", 1)):
        with closing(config.open_settings(loaded, region)) as settings:
            settings.values.write(STATEMENT, "policy: 1")
        assert run(data, "apply", policy, "--because", "Sydney ends.") == code
        assert region in capsys.readouterr().err


@pytest.mark.parametrize("command", ["apply", "rollback", "show", "history"])
def test_a_region_that_there_is_not_is_named_with_those_that_there_are(data, policy, capsys, command):
    """And nothing is stated."""
    arguments = {"apply": [policy, "--because", "Why."], "rollback": ["1", "--because", "Why."]}.get(command, [])
    assert run(data, command, *arguments, "--region", "mars") == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "has no region mars. → It has eu-west, eu-central, us-central." in error
    assert {one.serial for one in held(data).values()} == {1}


def test_the_status_of_a_system_that_does_not_run_says_how_to_start_it(data, capsys):
    assert run(data, "status") == 1
    assert "No region answers." in capsys.readouterr().err


@pytest.mark.parametrize("broken", ["garbage", None])
def test_a_history_that_somebody_has_changed_is_named_as_such(data, policy, capsys, broken):
    """And another region's is advised."""
    assert run(data, "apply", policy, "--because", "Sydney ends.") == 0
    first = held(data)["eu-west"].previous
    loaded = config.load(data / "topology.toml", {})
    with closing(config.open_settings(loaded, "eu-west")) as settings:
        [key] = [key for key in settings.values.tree("residency/history/") if first in key]
        settings.values.delete(key)
        if broken:
            settings.values.write(key, broken)
    capsys.readouterr()
    assert run(data, "history", "--region", "eu-west") == 1
    error = " ".join(capsys.readouterr().err.split())
    assert f"Statement 1 ({first[:12]}) can't be read in this region's history. → Somebody has changed" in error
