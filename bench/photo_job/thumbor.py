"""thumbor, a server of pictures by URL, with one request for each size. `make bench-peers` installs it from PyPI, into
an environment of its own since it wants an older Pillow than we do.

imgproxy, the other well-known server of this kind, is no peer here: it is built from its Go module, which Go's module
proxy did not give us (403), and neither Debian nor npm nor PyPI has it.
"""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from bench.photo_job.contender import QUALITY, Contender, Variants
from bench.photo_job.photos import DrawnPhoto
from deploy.servers.process import free_port
from regions.image_limits import VARIANT_SIZES

NAME = "thumbor"
MISSING: Mapping[str, str] = {NAME: "`make bench-peers` installs it"}

_BINARY = Path(__file__).parents[1] / "peers" / "thumbor" / "bin" / "thumbor"
_START_S = 30.0

# The work that everyone does: nothing from a cache, upright pictures, and JPEGs that are not progressive (those take
# longer). They are 4:2:0 by themselves; a setting that says so would put their quality at 0.
_SETTINGS = """
LOADER = 'thumbor.loaders.file_loader'
FILE_LOADER_ROOT_PATH = {folder!r}
STORAGE = 'thumbor.storages.no_storage'
ALLOW_UNSAFE_URL = True
RESPECT_ORIENTATION = True
QUALITY = {quality}
PROGRESSIVE_JPEG = False
"""


@dataclass(frozen=True, slots=True)
class _Thumbor:
    """A server that answers at `url`."""

    http: urllib3.PoolManager
    url: str
    process_id: int

    def variants(self, photo: DrawnPhoto) -> Variants:
        return {width: self._get(f"/unsafe/{width}x0/{photo.path.name}") for width in VARIANT_SIZES}

    def core_s(self, photo: DrawnPhoto) -> float:
        start_s = _core_s(self.process_id)
        self.variants(photo)
        return _core_s(self.process_id) - start_s

    def _get(self, path: str) -> bytes:
        response = self.http.request("GET", self.url + path)
        if response.status != 200:
            raise ValueError(f"thumbor answers {response.status}")
        return response.data


@contextmanager
def running(folder: Path) -> Iterator[Mapping[str, Contender]]:
    """By name, over the photos in `folder`; nobody if it is not installed."""
    if not _BINARY.exists():
        yield {}
        return
    settings, port = folder / "thumbor.conf", free_port()
    settings.write_text(_SETTINGS.format(folder=str(folder), quality=QUALITY))
    command = [str(_BINARY), "--ip", "127.0.0.1", "--port", str(port), "--conf", str(settings), "--log-level", "error"]
    with urllib3.PoolManager() as http, subprocess.Popen(command) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(http, f"{url}/healthcheck")
            yield {NAME: _Thumbor(http, url, process.pid)}
        finally:
            process.terminate()


def _wait_for(http: urllib3.PoolManager, url: str) -> None:
    """Raises urllib3's error if it does not answer in time."""
    http.request("GET", url, retries=urllib3.Retry(int(_START_S / 0.1), backoff_factor=0.1, backoff_max=0.1))


def _core_s(process_id: int) -> float:
    """What a process has taken so far, over all its threads: Linux's clock for it (man 3 clock_getcpuclockid)."""
    return time.clock_gettime(~process_id << 3 | 2)
