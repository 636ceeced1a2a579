"""The residency rules on Consul: how often a second a process can ask which rules are in force.

Each request asks it, some several times. Ours is `LiveRules.current`, while its watch runs. The peer is one consistent
read of Consul, by the same client: what a process would do that remembers nothing.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import harness, interleaved_runs
from bench.ports.created_store import created
from bench.region.processes import per_second, repeated
from regions import keys
from regions.clock import now_ms
from regions.residency import signatures, statement_document
from regions.residency.live import LiveRules
from regions.residency.settings_statement import SettingsStatement
from regions.residency.statement import Kind, Purpose, Signers, StatedPlace
from regions.residency.statement_folder import StatementFolder
from regions.stores.consul import adapter as consul
from regions.stores.settings import STATEMENT, Settings

BEFORE = "864"
"""When each look-up was a consistent read of Consul, before commit ffdb637. Quoted from the plan of that change; the
peer measures the same here and now."""

_REGION = "eu-west"
_POLICY = """\
policy: 1
default_class: eu
classes:
  eu:
    homes: [{region: eu-west}]
    rules: [{allow: [rest_raw, rest_variants, rest_metadata, rest_account], at: [home], because: A benchmark.}]
"""
_PEER = "consistent reads of Consul"
_WITHIN_S = 0.5
_REPEATS = 5
_LOOKUPS_A_STEP = 1000


def rows(address: str) -> list[harness.Measurement]:
    with closing(created(consul.settings(f"consul://{address}/bench", None, now_ms))) as settings:
        first, signers = _first_statement()
        settings.values.write(STATEMENT, first)
        with _watched(settings, signers) as live:
            assert live.current().in_force is not None

            def look_up() -> int:
                for _ in range(_LOOKUPS_A_STEP):
                    live.current()
                return _LOOKUPS_A_STEP

            def read() -> int:
                return int(settings.values.read(STATEMENT) is not None)

            contenders = {"ours": _run(look_up), _PEER: _run(read)}
            rates = interleaved_runs.medians(contenders, _REPEATS)["rate"]
    return [interleaved_runs.row(f"policy look-ups a second [before: {BEFORE}]", "1/s", rates, None)]


def _run(step: Callable[[], int]) -> interleaved_runs.Run:
    return lambda: {"rate": per_second([repeated(step, _WITHIN_S)])}


@contextmanager
def _watched(settings: Settings, signers: Signers) -> Iterator[LiveRules]:
    with tempfile.TemporaryDirectory() as folder:
        live, stop = LiveRules(_REGION, StatementFolder(Path(folder)), signers), threading.Event()
        in_settings = SettingsStatement(settings, live)
        in_settings.start()
        watch = threading.Thread(target=in_settings.run_forever, args=(stop,))
        watch.start()
        try:
            yield live
        finally:
            stop.set()
            watch.join()


def _first_statement() -> tuple[str, Signers]:
    """Of one region, so that it is in force as soon as that region has it."""
    officer, node, shield = (Ed25519PrivateKey.generate() for _ in range(3))
    signers = Signers(1, {"officer": keys.public_text(officer.public_key())})
    places = [
        StatedPlace(_REGION, Kind.REGION, "EU", "http://127.0.0.1:1", _node_key(node), 1),
        StatedPlace("lisbon", Kind.EDGE, "EU", "http://127.0.0.1:2", _node_key(shield), shield_of=_REGION),
    ]
    text = statement_document.draft(_POLICY, places, signers, "A benchmark.")
    return signatures.sign(text, "officer", officer), signers


def _node_key(private: Ed25519PrivateKey) -> dict[Purpose, dict[str, str]]:
    return {Purpose.NODE: {"k1": keys.public_text(private.public_key())}}
