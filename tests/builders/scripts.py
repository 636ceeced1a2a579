"""Python programs in processes of their own, which a test may kill."""

import pickle
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def start(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Runs the program with our packages, and these as its arguments; its standard output is a pipe."""
    return subprocess.Popen(_command(script, arguments), stdout=subprocess.PIPE, cwd=_ROOT)


def output(script: str, *arguments: object, timeout_s: float) -> list[str]:
    """The lines that the program prints until it ends. Raises if it fails or takes longer than this."""
    ended = subprocess.run(
        _command(script, arguments), stdout=subprocess.PIPE, cwd=_ROOT, timeout=timeout_s, check=True
    )
    return ended.stdout.decode().splitlines()


def kill_after(lines: int, script: str, *arguments: object) -> list[str]:
    """Kills the program (-9) when it has printed so many lines; returns all complete lines that it printed."""
    with start(script, *arguments) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        printed += process.stdout.readlines()
    return [line.decode().rstrip("\n") for line in printed if line.endswith(b"\n")]


def run_at_once(script: str, *arguments: object) -> list[list[str]]:
    """Runs one process for each of the arguments, all at the same time; returns the lines that each printed.

    The program reads its argument with `pickle.load(sys.stdin.buffer)`, prints `ready`, and then waits for a line. All
    processes get that line when all are ready.
    """
    processes = [
        subprocess.Popen(_command(script, ()), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT)
        for _ in arguments
    ]
    try:
        for process, argument in zip(processes, arguments, strict=True):
            _send(process, pickle.dumps(argument))
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            _send(process, b"\n")
        return [process.communicate(timeout=60)[0].decode().splitlines() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def _command(script: str, arguments: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-c", script, *map(str, arguments)]
