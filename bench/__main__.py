"""`python -m bench NAME…`: runs these benchmarks, or all; exits 1 where a goal is missed."""

import importlib
import sys
from pathlib import Path

from rich.console import Console

from bench import harness

_NOT_BENCHMARKS = {"__init__", "__main__", "harness", "camera"}


def main(names: list[str]) -> int:
    known = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - _NOT_BENCHMARKS)
    if unknown := [name for name in names if name not in known]:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    console, met = Console(), True
    for name in names or known:
        rows = importlib.import_module(f"bench.{name}").run()
        met = harness.publish(name, rows, console) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
