"""kill -9 of each real server under load: no acknowledged upload is lost or left unfinished, and service resumes."""

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest

from darkroom.client.client import ClientError
from deploy.servers import fleet

pytestmark = pytest.mark.xdist_group("kill_servers")

ROOT = Path(__file__).parents[2] / ".servers"
PHOTOS = 24
TRIES = 60
BACK_S = 30
READY_S = 120


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """A folder, and this module's own running servers by name."""
    missing = [name for name in fleet.NAMES if not fleet.is_installed(ROOT, name)]
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"these servers must be installed: {', '.join(missing)}")
        pytest.skip(f"these servers are not installed: {', '.join(missing)}; make servers-install installs them")
    folder = tmp_path_factory.mktemp("servers")
    with fleet.running(ROOT, folder) as started:
        fleet.write_addresses(folder / "running.json", started)
        yield folder, started


@pytest.fixture(scope="module")
def system_on_servers(servers, tmp_path_factory, start_system):
    yield from start_system(tmp_path_factory.mktemp("system_on_servers"), servers[0])


@pytest.fixture(scope="module")
def followed(system_on_servers):
    """Ana uploads in Lisbon; Bob in Chicago follows her."""
    system = system_on_servers
    ana, bob = system.person("Ana", "PT", "lisbon"), system.person("Bob", "US", "chicago")
    bob.client.follow(bob.id, ana.id)
    return ana, bob


def can_upload(person, photo: bytes) -> bool:
    try:
        return bool(person.client.upload(photo))
    except ClientError:
        return False


@pytest.mark.parametrize("name", fleet.NAMES)
def test_a_killed_server_loses_nothing(servers, followed, draw, eventually, name):
    """All photos become ready and are in the follower's feed once; uploads succeed again soon after."""
    ana, bob = followed
    server, photo_ids = servers[1][name], []
    with ThreadPoolExecutor(4) as threads:
        for upload in as_completed(
            [threads.submit(ana.persistent_upload, draw(seed), TRIES) for seed in range(PHOTOS)]
        ):
            photo_ids.append(upload.result())
            if len(photo_ids) == PHOTOS // 3:
                server.kill()
                server.start()
                server.wait()
                eventually(lambda: can_upload(ana, draw(0)), BACK_S)
    assert len(set(photo_ids)) == PHOTOS
    for photo_id in photo_ids:
        assert ana.client.wait_until_ready(photo_id, READY_S)["status"] == "ready"
    eventually(lambda: set(photo_ids) <= set(bob.feed_ids()), READY_S)
    feed = bob.feed_ids()
    assert len(feed) == len(set(feed))
