"""Shared by tests of the whole system: running systems, people who use them, and photos to upload."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3
from PIL import Image

from darkroom.client.client import Client, ClientError
from darkroom.client.keyring import MemoryStore
from tests.builders.accounts import PASSPHRASE

_START_S = 60
_STOP_S = 30
_EVENTUALLY_S = 60


def pytest_configure() -> None:
    """A shell lets its background jobs ignore Ctrl-C, and our children would inherit that; some tests press Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a folder that share a system run in one worker, so that it is started once."""
    for item in items:
        if "system" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(f"system of {item.path.parent.name}"))


@dataclass
class Person:
    """Somebody who signed up, and their client."""

    id: str
    home_region: str
    client: Client

    def upload(self, photo: bytes, caption: str | None = None) -> str:
        return self.client.upload(photo, caption)

    def persistent_upload(self, photo: bytes, tries: int) -> str:
        """Uploads as a persistent app does: after a 503 or a broken connection it resumes where it stopped."""
        resume_id = refusal = None
        for _ in range(tries):
            try:
                return self.client.upload(photo, resume_id=resume_id)
            except ClientError as error:
                resume_id, refusal = getattr(error, "upload_id", resume_id), error
                time.sleep(0.5)
        raise AssertionError(f"the upload {resume_id} did not succeed in {tries} attempts: {refusal!r}")

    def upload_ready(self, photo: bytes, caption: str | None = None) -> dict[str, Any]:
        return self.client.wait_until_ready(self.upload(photo, caption), _EVENTUALLY_S)

    def move_to(self, edge_url: str) -> None:
        """To another edge, perhaps of a system that has other ports than before."""
        home = urllib3.request("GET", f"{edge_url}/v1/homes", fields={"region": self.home_region}).json()
        self.client = Client(edge_url, MemoryStore(replace(self.client.session, home=home["url"])))

    def feed_ids(self) -> list[str]:
        return [photo["id"] for photo in self.client.feed(self.id, limit=100)["items"]]


@dataclass
class System:
    """`darkroom up` in a folder of its own and on free ports; on the real servers of the folder `servers`, if given.

    `objects` is each region's object store, as in `addresses.json`. `program` is a copy of ours that runs instead.
    """

    data: Path
    servers: Path | None = None
    program: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    edges: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        addresses = self.data / "addresses.json"
        addresses.unlink(missing_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "darkroom", "--data", str(self.data), "up", "--port", "0"]
        if self.servers is not None:
            command += ["--servers", str(self.servers / "running.json")]
        with (self.data / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.program,
                env=None if self.program is None else {**os.environ, "PYTHONPATH": str(self.program)},
            )
        eventually(lambda: addresses.exists() and self._is_healthy(), _START_S, self.log_tail)

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(_STOP_S)

    def pids(self) -> dict[str, int]:
        """The pid of each process of the system, by name."""
        return dict(json.loads((self.data / "processes.json").read_text()))

    def kill(self, name: str) -> None:
        """Returns when the process has ended: it may still take a connection in between, and drop it."""
        process = psutil.Process(self.pids()[name])
        process.kill()
        with suppress(psutil.NoSuchProcess):
            eventually(lambda: process.status() == psutil.STATUS_ZOMBIE, _EVENTUALLY_S)

    def person(self, name: str, country: str, edge: str) -> Person:
        client = Client(self.edges[edge])
        user = client.sign_up(name, country, f"someone_{random.randrange(1 << 40)}", PASSPHRASE)
        return Person(user["id"], user["home_region"], client)

    def files_of(self, photo_id: str) -> list[Path]:
        """Every file under the data folder that holds bytes of the photo, found by walking it."""
        kept = ("objects", "cache")
        paths = [path.relative_to(self.data) for path in _files_under(self.data)]
        return [path for path in paths if photo_id in path.as_posix() and any(part in kept for part in path.parts)]

    def files_with(self, needles: list[bytes]) -> list[Path]:
        """Every file under the data folder that contains one of these."""
        paths = _files_under(self.data)
        return [path.relative_to(self.data) for path in paths if any(needle in _read(path) for needle in needles)]

    def objects_of(self, photo_id: str) -> dict[str, list[Path]]:
        """The photo's objects by region and bucket (`eu-west/raw`), found by walking the folders that hold them."""
        names = [f"{region}/{bucket}" for region in self.objects for bucket in ("raw", "variants")]
        if self.servers is None:
            buckets = {name: Path(self.objects[name.partition("/")[0]]) / name.partition("/")[2] for name in names}
        else:
            root = self.servers / "versitygw" / "data"
            buckets = {name: root / f"darkroom-{name.replace('/', '-')}" for name in names}
        found = {
            name: [path for path in _files_under(folder) if _is_object(path, photo_id)]
            for name, folder in buckets.items()
        }
        return {name: paths for name, paths in found.items() if paths}

    def log_tail(self) -> str:
        return (self.data / "up.log").read_text(errors="replace")[-2000:]

    def _is_healthy(self) -> bool:
        try:
            addresses = json.loads((self.data / "addresses.json").read_text())
            self.edges, self.origins = addresses["edges"], addresses["origins"]
            self.objects = addresses["objects"]
            urls = [*self.edges.values(), *self.origins.values()]
            return all(urllib3.request("GET", f"{url}/health", retries=False, timeout=2).status == 200 for url in urls)
        except (ValueError, OSError, urllib3.exceptions.HTTPError):
            return False


def _files_under(folder: Path) -> list[Path]:
    """Every file below the folder. Folders that are removed during the walk are skipped; any other error is raised."""

    def unless_gone(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError) or error.filename == str(folder):
            raise error

    walk = os.walk(folder, onerror=unless_gone)
    return [path for at, _, names in walk for name in names if (path := Path(at, name)).is_file()]


def _read(path: Path) -> bytes:
    """Empty if the file was removed meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _is_object(path: Path, photo_id: str) -> bool:
    """Whether the file holds an object's bytes. The directory store keeps metadata beside them in dot files."""
    return photo_id in path.as_posix() and path.is_file() and not path.name.startswith(".")


def eventually(condition: Callable[[], Any], within_s: float, explain: Callable[[], str] = lambda: "") -> Any:
    """Returns the condition's first true value; fails the test if there is none in time."""
    deadline_s = time.monotonic() + within_s
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline_s:
            pytest.fail(f"this did not become true within {within_s} s: {explain()}")
        time.sleep(0.1)


@pytest.fixture(scope="session", name="eventually")
def eventually_fixture() -> Callable[..., Any]:
    """Waits for a condition: `eventually(condition, within_s=60)`."""
    return lambda condition, within_s=_EVENTUALLY_S, explain=lambda: "": eventually(condition, within_s, explain)


@pytest.fixture(scope="module")
def server_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system on the real servers that `python -m deploy.servers run` has started around the tests."""
    folder = os.environ.get("DARKROOM_TEST_SERVERS")
    names = ("cassandra", "kafka", "redis", "consul", "versitygw")
    missing = [name for name in names if f"DARKROOM_TEST_{name.upper()}" not in os.environ]
    if folder is None or missing:
        if os.environ.get("CI"):
            pytest.fail(f"these servers must run: {', '.join(missing)}")
        pytest.skip(f"these servers do not run: {', '.join(missing)}; make servers-install installs them")
    yield from _running(tmp_path_factory.mktemp("server_system"), Path(folder))


@pytest.fixture(scope="module")
def own_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that the tests of one module may break."""
    yield from _running(tmp_path_factory.mktemp("own_system"))


@pytest.fixture(scope="session")
def start_system() -> Callable[..., Iterator[System]]:
    """For a fixture of a module's or folder's own: `yield from start_system(folder)`.

    A second argument, `folder_of_servers`, makes it one on real servers, a third one of a copy of the program. The
    fixture's scope should be as small as it can: an idle system, too, slows the tests that run beside it.
    """
    return _running


def _running(data: Path, servers: Path | None = None, program: Path | None = None) -> Iterator[System]:
    running = System(data, servers, program)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def draw() -> Callable[..., bytes]:
    """Draws a JPEG with EXIF and GPS; a seed always draws the same bytes: `draw(seed, width=…, height=…)`."""
    return draw_photo


def draw_photo(seed: int, width: int = 400, height: int = 300) -> bytes:
    shade = random.Random(seed)
    grain = Image.frombytes("RGB", (16, 12), shade.randbytes(16 * 12 * 3))
    exif = Image.Exif()
    exif[0x0110] = "Darkroom Test Camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (38.0, 43.0, 12.0), 3: "W", 4: (9.0, 8.0, 24.0)})
    file = io.BytesIO()
    grain.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90, exif=exif)
    return file.getvalue()


@pytest.fixture(scope="session")
def photo_folder() -> Path:
    """The folder of real photos, one for each orientation: `DARKROOM_TEST_PHOTOS` names it."""
    folder = os.environ.get("DARKROOM_TEST_PHOTOS")
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail("DARKROOM_TEST_PHOTOS must name the folder of orientation photos")
        pytest.skip("DARKROOM_TEST_PHOTOS names no folder of orientation photos")
    return Path(folder)
