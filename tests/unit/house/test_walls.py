"""The rules on imports and the types of ports are really checked: a breach planted in a copy is reported."""

import ast
import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("regions", "origin", "processing", "replication", "edge", "darkroom", "deploy", "bench")

# File, line added at its end, and who may not import what because of it.
IMPORTS = [
    ("origin/feed.py", "from regions.stores.sqlite import adapter", "origin.feed", "regions.stores.sqlite.adapter"),
    ("edge/images.py", "from regions.stores.redis import feeds", "edge.images", "regions.stores.redis.feeds"),
    ("origin/feed.py", "from processing import job", "origin", "processing"),
    ("replication/placement.py", "from origin import views", "replication", "origin"),
    ("regions/retry.py", "from edge import http1", "regions", "edge"),
    ("edge/http1.py", "from darkroom import terminal", "edge", "darkroom"),
    (
        "regions/stores/sqlite/feeds.py",
        "from regions.stores.redis import feeds",
        "regions.stores.sqlite",
        "regions.stores.redis",
    ),
    ("regions/ids.py", "import time", "regions.ids", "time"),
    ("regions/retry.py", "import random", "regions.retry", "random"),
    ("regions/records.py", "import socket", "regions.records", "socket"),
    ("regions/topology.py", "import sqlite3", "regions.topology", "sqlite3"),
    ("regions/residency/decide.py", "import urllib3", "regions.residency.decide", "urllib3"),
    ("regions/errors.py", "import logging", "regions.errors", "logging"),
    ("processing/moderation.py", "from regions import clock", "processing.moderation", "regions.clock"),
    ("edge/eviction.py", "import gevent", "edge.eviction", "gevent"),
    ("origin/views.py", "import boto3", "origin.views", "boto3"),
    ("origin/photos.py", "import redis", "origin.photos", "redis"),
    ("processing/job.py", "import pyvips", "processing.job", "pyvips"),
]

# An adapter's file, its method, and the port whose method that is.
PORT_METHODS = [
    ("sqlite/feeds.py", "page", "Feeds"),
    ("redis/feeds.py", "page", "Feeds"),
    ("sqlite/events.py", "lag", "EventLog"),
    ("kafka/events.py", "lag", "EventLog"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for room in ROOMS:
        shutil.copytree(
            ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "peers", "node_modules")
        )
    shutil.copy(ROOT / "setup.cfg", folder)
    # Without a breach there is no report, so that what is reported below is what was planted.
    ran = run(folder, "lint-imports", "--no-cache")
    assert ran.returncode == 0, ran.stdout
    return folder


@pytest.fixture(scope="module")
def import_report(copy: Path) -> Iterator[str]:
    """What import-linter says of the copy with every breach of `IMPORTS` in it, as one line."""
    before = {file: (copy / file).read_text() for file, *_ in IMPORTS}
    for file, line, *_ in IMPORTS:
        with (copy / file).open("a") as source:
            source.write(f"\n{line}\n")
    ran = run(copy, "lint-imports", "--no-cache")
    assert ran.returncode != 0
    yield " ".join(ran.stdout.split())
    for file, text in before.items():
        (copy / file).write_text(text)


@pytest.mark.parametrize(("file", "line", "importer", "imported"), IMPORTS)
def test_a_forbidden_import_is_reported(import_report: str, file: str, line: str, importer: str, imported: str) -> None:
    """By the names of both modules, or of both packages where the rule is about packages."""
    rule = rf"\b{re.escape(importer)}\b(\.[\w.]+)? is not allowed to import {re.escape(imported)}\b"
    chain = rf"\b{re.escape(importer)}[\w.]* -> {re.escape(imported)}\b"
    assert re.search(rule, import_report) or re.search(chain, import_report)


def test_every_module_that_calls_itself_pure_is_in_the_contract() -> None:
    """And the contract lists no other."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["importlinter:contract:pure"]["source_modules"].split())
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.name != "__init__.py"]
    pure = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files
        if re.search(r"\bPure[.:]", ast.get_docstring(ast.parse(path.read_text())) or "")
    }
    assert pure == listed


@pytest.fixture(scope="module")
def type_report(copy: Path) -> str:
    """What mypy says of the copy with each method of `PORT_METHODS` renamed."""
    for file, method, _ in PORT_METHODS:
        path = copy / "regions" / "stores" / file
        path.write_text(path.read_text().replace(f"def {method}(self", f"def {method}_renamed(self"))
    ran = run(copy, "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), "-p", "regions")
    assert ran.returncode != 0
    return ran.stdout


@pytest.mark.parametrize(("file", "method", "port"), PORT_METHODS)
def test_an_adapter_that_lacks_a_method_of_its_port_is_reported(
    type_report: str, file: str, method: str, port: str
) -> None:
    """Where `regions.config` opens it."""
    adapter = f"regions/stores/{file.partition('/')[0]}/adapter.py"
    assert re.search(rf"{adapter}:\d+: error: .*\b{port}\b", type_report)
    assert f'"{port}" is missing following' in type_report or f"{method}" in type_report


def run(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name(command))
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
