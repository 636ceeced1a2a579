"""The data folder: one launcher at a time, secrets that stay secret, and a policy in every region."""

import pytest

from darkroom.command_error import CommandError
from darkroom.local import data_folder
from darkroom.local.data_folder import AlreadyRunning, claimed, prepare
from regions import config
from regions.errors import PolicyError
from regions.residency.live import LivePolicy
from regions.stores.settings import POLICY

MACHINE = data_folder.read_machine()
PORTS = {process.name: 20_000 + number for number, process in enumerate(MACHINE.processes())}


def policy_of(loaded: config.Config, region: str) -> str:
    stores = config.open_stores(loaded, region)
    try:
        return stores.settings.values.read(POLICY).value
    finally:
        stores.close()


def set_policy(loaded: config.Config, region: str, text: str) -> None:
    stores = config.open_stores(loaded, region)
    stores.settings.values.write(POLICY, text)
    stores.close()


def test_a_folder_has_one_launcher_at_a_time(tmp_path):
    """The second is refused until the first has left."""
    with claimed(tmp_path / "var"), pytest.raises(AlreadyRunning), claimed(tmp_path / "var"):
        pass
    with claimed(tmp_path / "var") as lock:
        assert lock > 2


def test_a_folder_that_spoils_urls_is_a_wrong_usage(tmp_path):
    """Store URLs hold the path as it is."""
    with pytest.raises(CommandError) as refused, claimed(tmp_path / "what?"):
        pass
    assert refused.value.exit_code == 2
    assert not (tmp_path / "what?").exists()


def test_secrets_are_readable_by_their_owner_alone(tmp_path):
    """A key for each region and edge, and what signs each region's URLs."""
    prepare(tmp_path, MACHINE, PORTS)
    secrets = list((tmp_path / "secrets").iterdir())
    assert len(secrets) == 2 * len(MACHINE.regions) + len(MACHINE.edges)
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_secrets_outlive_a_restart_on_other_ports(tmp_path):
    """Tokens and signed URLs stay good; only addresses change."""
    first = prepare(tmp_path, MACHINE, PORTS)
    second = prepare(tmp_path, MACHINE, {name: port + 1000 for name, port in PORTS.items()})
    for name in (*MACHINE.regions, *MACHINE.edges):
        assert first.topology.public_key(name) == second.topology.public_key(name)
    assert first.objects_secret("eu-west") == second.objects_secret("eu-west")
    assert first.topology.edges["lisbon"].url != second.topology.edges["lisbon"].url


def test_every_region_gets_the_policy_that_we_ship(tmp_path):
    """And can read it."""
    loaded = prepare(tmp_path, MACHINE, PORTS)
    for region in MACHINE.regions:
        stores = config.open_stores(loaded, region)
        assert LivePolicy(stores.settings).current().home_region("PT") == "eu-west"
        stores.close()


def test_a_policy_that_is_there_stays(tmp_path):
    """What the compliance team has published is not undone by a restart."""
    set_policy(prepare(tmp_path, MACHINE, PORTS), "eu-west", "policy: 1  # theirs")
    loaded = prepare(tmp_path, MACHINE, PORTS)
    assert policy_of(loaded, "eu-west") == "policy: 1  # theirs"
    assert policy_of(loaded, "us-central").startswith("# Darkroom's residency policy")


def test_a_policy_that_does_not_fit_is_published_nowhere(tmp_path):
    """A machine without the region that the policy calls home is refused, with file and line."""
    regions = {name: facts for name, facts in MACHINE.regions.items() if name != "eu-west"}
    edges = {name: facts for name, facts in MACHINE.edges.items() if facts.get("shield_of") != "eu-west"}
    with pytest.raises(PolicyError, match=r"policy\.yaml:[0-9]+: .*eu-west"):
        prepare(tmp_path, type(MACHINE)(regions, edges), PORTS)
    assert not (tmp_path / "regions").exists()


def test_a_file_is_replaced_whole(tmp_path):
    """Whoever reads it meanwhile sees the old one or the new one, and nothing stays beside it."""
    data_folder.write_processes(tmp_path, {"edge-lisbon": 1})
    data_folder.write_processes(tmp_path, {"edge-lisbon": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["processes.json"]
    assert '"edge-lisbon": 2' in (tmp_path / "processes.json").read_text()
