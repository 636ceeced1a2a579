"""`python -m bench NAME…`: runs these benchmarks, or all; exits 1 if a goal is missed, 3 if one could not be judged."""

import importlib
import sys
from pathlib import Path

from rich.console import Console

from bench import harness

_NOT_BENCHMARKS = {"__init__", "__main__", "harness", "interleaved_runs", "synthetic_photos"}


def main(names: list[str]) -> int:
    known = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - _NOT_BENCHMARKS)
    if unknown := [name for name in names if name not in known]:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    console, measured, all_measured = Console(), list[harness.Measurement](), True
    for name in names or known:
        try:
            rows = importlib.import_module(f"bench.{name}").run()
        except harness.NotMeasured as error:
            print(f"{name} is not measured: {error}", file=sys.stderr)
            all_measured = False
            continue
        harness.publish(name, rows, console)
        measured += rows
    return harness.exit_code(measured, all_measured)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
