"""The data folder: one launcher at a time, private secrets, and a policy in every region."""

import pytest

from darkroom.command_error import CommandError
from darkroom.local import data_folder
from darkroom.local.data_folder import AlreadyRunning, claimed, prepare
from regions import config
from regions.errors import PolicyError, StoreMissing
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
    """There is a private key for each region and edge, and a secret that signs each region's URLs."""
    prepare(tmp_path, MACHINE, PORTS)
    secrets = list((tmp_path / "secrets").iterdir())
    assert len(secrets) == 2 * len(MACHINE.regions) + len(MACHINE.edges)
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_secrets_survive_a_restart_on_other_ports(tmp_path):
    """Tokens and signed URLs stay valid; only addresses change."""
    first = prepare(tmp_path, MACHINE, PORTS)
    second = prepare(tmp_path, MACHINE, {name: port + 1000 for name, port in PORTS.items()})
    for name in (*MACHINE.regions, *MACHINE.edges):
        assert first.topology.public_key(name) == second.topology.public_key(name)
    assert first.objects_secret("eu-west") == second.objects_secret("eu-west")
    assert first.topology.edges["lisbon"].url != second.topology.edges["lisbon"].url


def test_every_region_gets_the_default_policy(tmp_path):
    """It can be read in each region."""
    loaded = prepare(tmp_path, MACHINE, PORTS)
    for region in MACHINE.regions:
        stores = config.open_stores(loaded, region)
        live = LivePolicy(stores.settings)
        live.watch_once()
        assert live.current().policy.home_region("PT") == "eu-west"
        stores.close()


def test_an_existing_policy_stays(tmp_path):
    """A restart does not replace what the compliance team has published."""
    set_policy(prepare(tmp_path, MACHINE, PORTS), "eu-west", "policy: 1  # theirs")
    loaded = prepare(tmp_path, MACHINE, PORTS)
    assert policy_of(loaded, "eu-west") == "policy: 1  # theirs"
    assert policy_of(loaded, "us-central").startswith("# Darkroom's residency policy")


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
