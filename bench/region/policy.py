"""The residency policy on Consul: how often a second a process can ask which policy is in force.

Each request asks it, some several times. Ours is `LivePolicy.current`, while its watch runs. The peer is one consistent
read of Consul, by the same client: what a process would do that remembers nothing.
"""

import importlib.resources
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from bench import harness, interleaved_runs
from bench.ports.created_store import created
from bench.region.processes import per_second, repeated
from regions.clock import now_ms
from regions.residency import parsing
from regions.residency.live import LivePolicy
from regions.stores.consul import adapter as consul
from regions.stores.settings import POLICY, Settings

BEFORE = "864"
"""When each look-up was a consistent read of Consul, before commit ffdb637. Quoted from the plan of that change; the
peer measures the same here and now."""

_PEER = "consistent reads of Consul"
_WITHIN_S = 0.5
_REPEATS = 5
_LOOKUPS_A_STEP = 1000


def rows(address: str) -> list[harness.Measurement]:
    with closing(created(consul.settings(f"consul://{address}/bench", None, now_ms))) as settings:
        settings.values.write(POLICY, importlib.resources.files("deploy").joinpath(parsing.FILE).read_text())
        with _watched(settings) as live:
            assert live.current().policy is not None

            def look_up() -> int:
                for _ in range(_LOOKUPS_A_STEP):
                    live.current()
                return _LOOKUPS_A_STEP

            def read() -> int:
                return int(settings.values.read(POLICY) is not None)

            contenders = {"ours": _run(look_up), _PEER: _run(read)}
            rates = interleaved_runs.medians(contenders, _REPEATS)["rate"]
    return [interleaved_runs.row(f"policy look-ups a second [before: {BEFORE}]", "1/s", rates, None)]


def _run(step: Callable[[], int]) -> interleaved_runs.Run:
    return lambda: {"rate": per_second([repeated(step, _WITHIN_S)])}


@contextmanager
def _watched(settings: Settings) -> Iterator[LivePolicy]:
    live, stop = LivePolicy(settings), threading.Event()
    live.start()
    watch = threading.Thread(target=live.run_forever, args=(stop,))
    watch.start()
    try:
        yield live
    finally:
        stop.set()
        watch.join()
