"""A processor at a scheduler that an operator runs with TLS, and workers that `darkroom run worker` starts."""

import pytest

from processing.crew import Share
from processing.crew_member import CrewMember
from processing.processor import main
from regions import config as configuration
from regions.records import Status
from tests.builders.clusters import OperatorsDask, write_certificates
from tests.builders.processes import at_work
from tests.builders.topologies import one_region

pytestmark = pytest.mark.xdist_group("dask")

REGION = "eu-west"
PHOTOS = 12


@pytest.fixture
def operators_dask(room, tmp_path, eventually):
    write_certificates(room.config.secrets, REGION)
    running = OperatorsDask(tmp_path, eventually, room.config.secrets)
    yield running
    running.kill()


@pytest.fixture
def with_scheduler(room):
    """The region's configuration with that scheduler, which its workers read too."""

    def configured(address: str):
        text = one_region(room.folder).replace("[regions.eu-west]", f'[regions.eu-west]\nscheduler = "{address}"')
        room.config.path.write_text(text)
        return configuration.load(room.config.path, {})

    return configured


def all_ready(room, photos) -> bool:
    return all(room.photo(photo).status is Status.READY for photo in photos)


def test_two_processors_share_workers_and_what_they_know(room, draw, operators_dask, with_scheduler, eventually, crews):
    """Their shares add up to the workers, and of equal photos that both of them get, one is the original."""
    address = operators_dask.start_scheduler()
    config = with_scheduler(address)
    for _ in range(2):
        operators_dask.start_darkroom_worker(config.path)
    with at_work(main, config, REGION), at_work(main, config, REGION):
        eventually(lambda: [crew.share for crew in crews] == [Share(1, 2)] * 2, 60)
        equal = [room.uploaded(draw(1), number)[0] for number in range(1, PHOTOS)]
        eventually(lambda: all_ready(room, equal), 120, operators_dask.log_tail)
        eventually(lambda: [crew.share for crew in crews] == [Share(1, 2)] * 2, 60)
    named = {photo.photo_id: room.photo(photo).near_duplicate_of for photo in equal}
    assert list(named.values()).count(None) == 1
    assert set(named.values()) - {None} <= set(named)


@pytest.fixture
def crews(monkeypatch):
    """The crew's members in this process."""
    members = []
    make = CrewMember.__init__

    def remember(self, *arguments):
        members.append(self)
        make(self, *arguments)

    monkeypatch.setattr(CrewMember, "__init__", remember)
    return members


def test_photos_become_ready_at_a_scheduler_with_tls_that_is_killed_in_the_middle(
    room, draw, operators_dask, with_scheduler, eventually
):
    """Two workers of ours join it. After kill -9 it starts again, on the same port, and both find it by themselves."""
    address = operators_dask.start_scheduler()
    assert address.startswith("tls://")
    config = with_scheduler(address)
    for _ in range(2):
        operators_dask.start_darkroom_worker(config.path)
    first = [room.uploaded(draw(seed), seed)[0] for seed in range(1, PHOTOS)]
    with at_work(main, config, REGION):
        eventually(lambda: any(all_ready(room, [photo]) for photo in first), 120)
        operators_dask.kill_scheduler()
        second = [room.uploaded(draw(seed), seed)[0] for seed in range(PHOTOS, 2 * PHOTOS)]
        assert not all_ready(room, second)
        operators_dask.start_scheduler(int(address.rpartition(":")[2]))
        eventually(lambda: all_ready(room, [*first, *second]), 120, operators_dask.log_tail)
    assert all(room.photo(photo).worker_deaths == 0 for photo in (*first, *second))
