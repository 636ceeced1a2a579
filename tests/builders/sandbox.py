"""A process that decodes hostile files, with limits: if it hangs or eats memory, it dies, and not the machine.

`python -m tests.builders.sandbox` is the child: it reads the path of a file a line, and answers with a line of JSON.
"""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from processing.formats.facts import InvalidImage
from tests.builders import pictures

READY, CRASHED, ERROR = "ready", "crashed", "error"
MEMORY_BYTES = 4 << 30
_WALL_FACTOR = 20


@dataclass(frozen=True)
class Outcome:
    """`code` is `ready`, that of an InvalidImage, `error` for any other exception, or `crashed`.

    `picture` is the hash of the pixels and their shape; `peak_bytes` and `now_bytes` are the memory of the child.
    """

    code: str
    detail: str = ""
    picture: str = ""
    cpu_s: float = 0.0
    now_bytes: int = 0
    peak_bytes: int = 0


class Sandbox:
    """`cpu_s` is how long a file may take; a new child is started when one has died."""

    def __init__(self, folder: Path, cpu_s: int = 10) -> None:
        self.folder, self.cpu_s = folder, cpu_s
        self.child: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def run(self, data: bytes) -> Outcome:
        """Decodes the file in the child."""
        path = self.folder / "input"
        path.write_bytes(data)
        child = self._running()
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(f"{path}\n")
        child.stdin.flush()
        if answer := child.stdout.readline():
            return Outcome(**json.loads(answer))
        status = child.wait()
        self._stop()
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return Outcome(CRASHED, f"the child died of {name}")

    def _running(self) -> subprocess.Popen[str]:
        if self.child is None:
            command = [sys.executable, "-m", "tests.builders.sandbox", str(self.cpu_s)]
            root = Path(__file__).parents[2]
            environment = {**os.environ, "PYTHONPATH": str(root)}
            self.child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env=environment
            )
        return self.child

    def _stop(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.communicate()
            self.child = None


def decode(data: bytes) -> Outcome:
    try:
        pixels = pictures.master_pixels(data)
    except InvalidImage as error:
        return Outcome(error.code, str(error))
    except Exception as error:  # noqa: BLE001 that there is no other exception is what is tested
        return Outcome(ERROR, repr(error))
    return Outcome(READY, picture=hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest())


def _measured(data: bytes, cpu_s: int) -> Outcome:
    """The kernel kills the process if the file takes `cpu_s` seconds of its time, on however many cores."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    used_s = before.ru_utime + before.ru_stime
    resource.setrlimit(resource.RLIMIT_CPU, (int(used_s) + cpu_s + 1, resource.RLIM_INFINITY))
    signal.alarm(_WALL_FACTOR * cpu_s)
    outcome = decode(data)
    signal.alarm(0)
    after = resource.getrusage(resource.RUSAGE_SELF)
    now = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    measured = {
        "cpu_s": round(after.ru_utime + after.ru_stime - used_s, 3),
        "now_bytes": now,
        "peak_bytes": after.ru_maxrss * 1024,
    }
    return Outcome(**{**asdict(outcome), **measured})


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        outcome = _measured(Path(line.rstrip("\n")).read_bytes(), int(sys.argv[1]))
        answers.write(json.dumps(asdict(outcome)) + "\n")
        answers.flush()


if __name__ == "__main__":
    _main()
