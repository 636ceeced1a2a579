"""The data folder: one launcher at a time, private secrets, and a signed statement in every region."""

import shutil
from contextlib import closing

import pytest

from darkroom.command_error import CommandError
from darkroom.local import data_folder
from darkroom.local.compliance import shipped_policy
from darkroom.local.data_folder import AlreadyRunning, claimed, prepare
from darkroom.operate import statement_files
from regions import config
from regions.errors import PolicyError, StoreMissing, TopologyError
from regions.residency.statement import Purpose, Statement
from regions.stores.settings import STATEMENT

MACHINE = data_folder.read_machine()
PORTS = {process.name: 20_000 + number for number, process in enumerate(MACHINE.processes())}


def held_by(loaded: config.Config) -> dict[str, Statement]:
    """What each region's settings hold."""
    return statement_files.held(loaded)


def settings_of(loaded: config.Config, region: str):
    return closing(config.open_settings(loaded, region))


def test_a_folder_has_one_launcher_at_a_time(tmp_path):
    """A second launcher is rejected until the first has ended."""
    with claimed(tmp_path / "var"), pytest.raises(AlreadyRunning), claimed(tmp_path / "var"):
        pass
    with claimed(tmp_path / "var") as lock:
        assert lock > 2


def test_a_folder_that_does_not_fit_into_urls_is_wrong_usage(tmp_path):
    """Store URLs contain the path as it is."""
    with pytest.raises(CommandError) as raised, claimed(tmp_path / "what?"):
        pass
    assert raised.value.exit_code == 2
    assert not (tmp_path / "what?").exists()


def test_secrets_are_readable_only_by_their_owner(tmp_path):
    """There is a key of each purpose for each region and edge, and a secret that signs each region's URLs."""
    prepare(tmp_path, MACHINE, PORTS)
    secrets = list((tmp_path / "secrets").iterdir())
    assert len(secrets) == 3 * len(MACHINE.regions) + len(MACHINE.edges)
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_secrets_survive_a_restart_on_other_ports(tmp_path):
    """Tokens and signed URLs stay valid; only addresses change."""
    first = prepare(tmp_path, MACHINE, PORTS)
    second = prepare(tmp_path, MACHINE, {name: port + 1000 for name, port in PORTS.items()})
    for name in (*MACHINE.regions, *MACHINE.edges):
        before, after = (one.private_keys(name, Purpose.NODE)["k1"] for one in (first, second))
        assert before.public_key() == after.public_key()
    assert first.objects_secret("eu-west") == second.objects_secret("eu-west")
    assert first.topology.edges["lisbon"].url != second.topology.edges["lisbon"].url


def test_every_region_gets_the_first_statement(tmp_path):
    """The same, signed by the key that was made for this folder, and with the policy that we ship."""
    loaded = prepare(tmp_path, MACHINE, PORTS)
    [statement] = {one.hash: one for one in held_by(loaded).values()}.values()
    assert (statement.serial, statement.policy.home_region("PT")) == (1, "eu-west")
    assert set(statement.places) == {*MACHINE.regions, *MACHINE.edges}
    assert (tmp_path / "compliance" / "officer-1.pem").stat().st_mode & 0o777 == 0o600
    assert {one.hash for one in held_by(prepare(tmp_path, MACHINE, PORTS)).values()} == {statement.hash}


def test_a_policy_from_before_there_were_statements_is_kept(tmp_path):
    """The first statement has the policy that the compliance team had published."""
    loaded = prepare(tmp_path, MACHINE, PORTS)
    theirs = shipped_policy() + "# theirs\n"
    for region in MACHINE.regions:
        with settings_of(loaded, region) as settings:
            settings.values.delete(STATEMENT)
            settings.values.write("residency/policy", theirs)
    (tmp_path / "signers.json").unlink()
    shutil.rmtree(tmp_path / "compliance")
    assert {one.policy_text for one in held_by(prepare(tmp_path, MACHINE, PORTS)).values()} == {theirs}


def test_a_first_start_that_was_broken_off_is_finished_with_the_same_statement(tmp_path):
    """Wherever a kill -9 stopped it."""
    loaded = prepare(tmp_path, MACHINE, PORTS)
    first = held_by(loaded)["eu-west"]
    (tmp_path / "compliance").rename(tmp_path / ".compliance.new")
    (tmp_path / "signers.json").unlink()
    with settings_of(loaded, "us-central") as settings:
        settings.values.delete(STATEMENT)
    assert {one.hash for one in held_by(prepare(tmp_path, MACHINE, PORTS)).values()} == {first.hash}


def test_a_statement_that_was_removed_is_not_made_again(tmp_path):
    """Who removes it, or the list of signers, must not get another one in return. The message says what to do."""
    loaded = prepare(tmp_path, MACHINE, PORTS)
    for region in MACHINE.regions:
        with settings_of(loaded, region) as settings:
            settings.values.delete(STATEMENT)
    with pytest.raises(CommandError, match="valid statement"):
        prepare(tmp_path, MACHINE, PORTS)
    assert set(held_by(loaded).values()) == {None}


def test_a_list_of_signers_that_was_removed_is_not_made_again(tmp_path):
    """Anybody's signature would count then."""
    prepare(tmp_path, MACHINE, PORTS)
    (tmp_path / "signers.json").unlink()
    with pytest.raises(TopologyError, match=r"signers\.json"):
        prepare(tmp_path, MACHINE, PORTS)


def test_other_ports_are_stated_and_change_nothing_else(tmp_path):
    """By the next statement, which the folder's own key signs; without the key, the old ports are needed."""
    first = held_by(prepare(tmp_path, MACHINE, PORTS))["eu-west"]
    ports = {name: port + 1000 for name, port in PORTS.items()}
    loaded = prepare(tmp_path, MACHINE, ports)
    second = held_by(loaded)["us-central"]
    assert (second.serial, second.previous, second.policy_text) == (2, first.hash, first.policy_text)
    assert second.places["lisbon"].url == loaded.topology.edges["lisbon"].url
    assert second.places["lisbon"].keys == first.places["lisbon"].keys
    (tmp_path / "compliance" / "officer-1.pem").unlink()
    prepare(tmp_path, MACHINE, ports)
    with pytest.raises(CommandError, match="signatures") as raised:
        prepare(tmp_path, MACHINE, PORTS)
    assert f"(--port {ports['edge-lisbon']})" in raised.value.advice


def test_a_policy_that_does_not_fit_is_published_nowhere(tmp_path):
    """A topology without a region that the policy uses is rejected, with file and line."""
    regions = {name: table for name, table in MACHINE.regions.items() if name != "eu-west"}
    edges = {name: table for name, table in MACHINE.edges.items() if table.get("shield_of") != "eu-west"}
    with pytest.raises(PolicyError, match=r"policy\.yaml:[0-9]+: .*eu-west"):
        prepare(tmp_path, type(MACHINE)(regions, edges), PORTS)
    assert not (tmp_path / "regions").exists()


def test_a_file_is_replaced_completely(tmp_path):
    """The new content is there, and no temporary file is left."""
    data_folder.write_processes(tmp_path, {"edge-lisbon": 1})
    data_folder.write_processes(tmp_path, {"edge-lisbon": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["processes.json"]
    assert '"edge-lisbon": 2' in (tmp_path / "processes.json").read_text()


def test_a_region_whose_folder_is_gone_is_not_created_again(tmp_path):
    """Its disk is not mounted: an empty region would take its place, without its users and its tombstones."""
    prepare(tmp_path, MACHINE, PORTS)
    (tmp_path / "regions" / "eu-central").rename(tmp_path / "disk")
    with pytest.raises(StoreMissing):
        prepare(tmp_path, MACHINE, PORTS)
    assert not (tmp_path / "regions" / "eu-central").exists()
    (tmp_path / "disk").rename(tmp_path / "regions" / "eu-central")
    prepare(tmp_path, MACHINE, PORTS)
