"""us-central's origin is in the hands of an attacker, who serves a chain of statements that nobody has signed."""

import time
from functools import cache

import psutil
import pytest

from regions.residency import reports
from regions.residency.exchange import Report
from tests.builders.hostile_origin import Received, in_place_of_origin
from tests.builders.http import JsonHandler
from tests.builders.statement_chains import unsigned
from tests.conftest import System

pytestmark = pytest.mark.xdist_group("statements without end")

TAKEN, PAD = "us-central", "\U0001f600" + "a" * 399_000
LINKS, ATTACK_S, MOST_GROWTH_BYTES = 200, 20.0, 100 << 20


@cache
def texts() -> dict[str, str]:
    return unsigned(LINKS, pad=PAD)


class Linking(JsonHandler):
    """Reports the last of a chain, and serves each of its links."""

    received: Received

    def do(self) -> None:
        self.received.requests.append((self.command, self.path, self.body()))
        top = list(texts())[-1]
        report = reports.to_document(Report(TAKEN, 1 << 30, top, top, 0.0, 60.0))
        signed = texts().get(self.path.rpartition("/")[2])
        if self.path == reports.PATH:
            self.send(200, {}, report)
        elif self.path == "/v1/tombstones":
            self.send(200, {}, {"items": [], "complete": True, "after": {}, "statement": report})
        elif signed:
            self.send(200, {}, {"signed": signed})
        else:
            self.send(404, {}, {})

    do_GET = do_POST = do_PUT = do_DELETE = do


def test_a_chain_of_its_statements_fills_nobodys_memory(own_system: System):
    """Of 320 MB, if they were kept: no origin, replicator or edge of the others keeps them."""
    texts()
    processes = {
        name: psutil.Process(pid)
        for name, pid in own_system.pids().items()
        if name.split("-")[0] in {"origin", "replicator", "edge"} and name != f"origin-{TAKEN}"
    }
    before = {name: one.memory_info().rss for name, one in processes.items()}
    growth = dict.fromkeys(before, 0)
    with in_place_of_origin(own_system, TAKEN, Linking) as received:
        until_s = time.monotonic() + ATTACK_S
        while time.monotonic() < until_s:
            for name, one in processes.items():
                growth[name] = max(growth[name], one.memory_info().rss - before[name])
            time.sleep(0.1)
    assert len(received.requests) > LINKS
    assert max(growth.values()) < MOST_GROWTH_BYTES, growth
