"""Two versions side by side: what one writes, the other reads, in both directions and in each technology's stores.

The other version is the one of the last tag, whose commit is in `last_version`. Its programs run from its own tree.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders.topologies import one_region

ROOT = Path(__file__).parents[2]
LAST_VERSION = Path(__file__).with_name("last_version")
WITHIN_S = 300
NOW_STATED = 'public_key = ""\n'
"""What v0.2 has in the topology, and later versions in the signed statement."""

pytestmark = pytest.mark.xdist_group("compat")


def git(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """The tree of the last version."""
    name, commit = LAST_VERSION.read_text().split()
    archive = git("archive", commit)
    if archive.returncode:
        if git("rev-parse", "--is-shallow-repository").stdout.strip() != b"false":
            pytest.skip(f"no history here: {name} is not in it; git fetch --unshallow brings it")
        pytest.fail(f"the commit of {name} is not in the history: {archive.stderr.decode()}")
    tree = tmp_path_factory.mktemp(name)
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    return tree


@pytest.fixture(params=["embedded", "servers"])
def folder(request, tmp_path):
    """A region's topology and secrets: embedded stores, or new names on real servers."""
    name, stores = f"compat-{os.urandom(6).hex()}", {}
    if request.param == "servers":
        at = {one: os.environ.get(f"DARKROOM_TEST_{one}") for one in ("CASSANDRA", "KAFKA", "CONSUL", "REDIS")}
        if None in at.values():
            if os.environ.get("CI"):
                pytest.fail("the servers must run: python -m deploy.servers run -- pytest")
            pytest.skip("the servers do not run: python -m deploy.servers run -- pytest")
        stores = {
            "catalog": f"cassandra://{at['CASSANDRA']}/{name.replace('-', '_')}",
            "events": f"kafka://{at['KAFKA']}/{name}?partitions=4",
            "settings": f"consul://{at['CONSUL']}/{name}",
            "feeds": f"redis://{at['REDIS']}/0?prefix={name}:",
        }
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "eu-west.objects").write_text("secret")
    (tmp_path / "topology.toml").write_text(one_region(tmp_path, **stores))
    return tmp_path


def run(tree: Path, command: str, folder: Path):
    """The facts that the version in `tree` prints. It finds a topology as it needs it."""
    file = folder / "topology.toml"
    text = file.read_text().replace(NOW_STATED, "")
    file.write_text(text if tree == ROOT else text.replace("longitude", f"{NOW_STATED}longitude"))
    program = [sys.executable, "-m", "tests.compat.program", command, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(program, cwd=tree, env=environment, capture_output=True, timeout=WITHIN_S)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout) if done.stdout else None


def add_documents_of_its_own(tree: Path, folder: Path) -> None:
    """Servers of one version only understand each other's tokens and grants, so these come from the version itself."""
    other = folder / "other"
    (other / "secrets").mkdir(parents=True)
    (other / "secrets" / "eu-west.objects").write_text("secret")
    (other / "topology.toml").write_text(one_region(other))
    run(tree, "prepare", other)
    run(tree, "write", other)
    ours, its = (one / "documents" / "facts.json" for one in (folder, other))
    ours.write_text(json.dumps(json.loads(its.read_text()) | json.loads(ours.read_text())))
    shutil.copy(other / "documents" / "node.pem", folder / "documents")


def assert_understood(written, understood):
    """Every fact that both versions know is the same; and one of them knows all that the other does."""
    common = written.keys() & understood.keys()
    assert {name: understood[name] for name in common} == {name: written[name] for name in common}
    assert common in (written.keys(), understood.keys())


def test_what_the_last_version_wrote_is_read_and_it_reads_on_after_the_update(earlier, folder):
    """As in a region that is updated: the new `darkroom prepare` runs while the old programs still do."""
    run(earlier, "prepare", folder)
    written = run(earlier, "write", folder)
    run(ROOT, "prepare", folder)
    assert_understood(written, run(ROOT, "read", folder))
    assert_understood(written, run(earlier, "read", folder))


def test_the_last_version_reads_what_this_one_writes(earlier, folder):
    """As during an update, and after one that is rolled back."""
    run(ROOT, "prepare", folder)
    written = run(ROOT, "write", folder)
    assert written["events"] and written["photo"] and written["details"]
    add_documents_of_its_own(earlier, folder)
    understood = run(earlier, "read", folder)
    assert_understood(written, {name: fact for name, fact in understood.items() if name not in ("grant", "node")})
