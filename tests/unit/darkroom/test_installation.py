"""What works when only the base is installed, and what the others need.

The base is tested in processes that can import our own code, the base's libraries and no other library.
"""

import ast
import configparser
import functools
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from darkroom.cli import COMMANDS
from darkroom.installation import SERVICE

ROOT = Path(__file__).parents[3]
ROOMS = ("regions", "origin", "processing", "replication", "edge", "darkroom")
OURS = {*ROOMS, "deploy"}
STORES = [ROOT / "regions" / "stores" / server for server in ("cassandra", "consul", "kafka", "redis", "s3")]
CLIENT = [command for command in COMMANDS if not command.needs_service]
OTHERS = {
    "up": ["up"],
    "demo": ["demo", "--once"],
    "recover": ["recover", "u_1"],
    "where": ["where", "p_1"],
    "fingerprint": ["fingerprint", "a.jpg"],
    "known-bad": ["known-bad", "show"],
    "policy check": ["policy", "check", "policy.yaml"],
    "policy test": ["policy", "test", "policy-expectations.yaml"],
    "processing": ["processing", "eu-west"],
    "reprocess": ["reprocess", "eu-west"],
    "prepare": ["prepare"],
    "lanes show": ["lanes", "show"],
    "lanes set": ["lanes", "set", "us-central", "--pause", "--because", "a test"],
    "policy plan": ["policy", "plan", "policy.yaml"],
    "policy new-key": ["policy", "new-key", "officer-2.pem"],
    "policy sign": ["policy", "sign", "policy.yaml", "--key", "officer-2.pem"],
    "policy apply": ["policy", "apply", "policy.statement"],
    "policy rollback": ["policy", "rollback", "1"],
    "policy show": ["policy", "show"],
    "policy status": ["policy", "status"],
    "policy history": ["policy", "history"],
    "policy explain": ["policy", "explain", "p_1"],
    "policy decisions": ["policy", "decisions", "p_1"],
    "lanes retry": ["lanes", "retry", "--dry-run"],
    "acts": ["acts", "eu-west"],
    "doctor": ["doctor"],
    "run": ["run", "edge", "lisbon", "--topology", "topology.toml"],
}

LOAD_THE_CLIENT = f"""
import importlib, sys
import darkroom.error_messages
for module in {sorted({command.function.partition(":")[0] for command in CLIENT})}:
    importlib.import_module(module)
print(*[module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)], sep="\\n")
"""


def requirements(section: str, option: str) -> list[Requirement]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = [line.partition("#")[0].strip() for line in config[section][option].splitlines()]
    return [Requirement(line) for line in lines if line]


def with_dependencies(wanted: list[Requirement]) -> set[str]:
    """The names of these distributions and of all that they need here."""
    found: dict[str, set[str]] = {}
    while wanted:
        one = wanted.pop()
        extras = found.setdefault(canonicalize_name(one.name), set())
        if extras and one.extras <= extras:
            continue
        extras |= one.extras | {""}
        needs = map(Requirement, metadata.requires(one.name) or [])
        wanted += [need for need in needs if not need.marker or any(need.marker.evaluate({"extra": e}) for e in extras)]
    return set(found)


def libraries_in(files: list[Path]) -> set[str]:
    """The names of the libraries that these files import, also within functions."""
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names} - OURS - sys.stdlib_module_names


def distributions_of(libraries: set[str]) -> set[str]:
    return {canonicalize_name(name) for library in libraries for name in providers()[library]}


@functools.cache
def providers() -> Mapping[str, list[str]]:
    """The distributions that contain each library."""
    return metadata.packages_distributions()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the libraries of the base, and no others."""
    folder = tmp_path_factory.mktemp("base")
    for name in with_dependencies(requirements("options", "install_requires")):
        installed = metadata.distribution(name)
        for entry in {file.parts[0] for file in installed.files or []} - {"..", "__pycache__"}:
            (folder / entry).symlink_to(str(installed.locate_file(entry)))
    return folder


def run(base: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with only these libraries: -S leaves out those of the environment."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}{os.pathsep}{base}", "COLUMNS": "400"}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(command, cwd=base, env=environ, capture_output=True, text=True, timeout=60, check=False)


def output(base: Path, script: str) -> str:
    ended = run(base, "-c", script)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_no_library_of_the_service_can_be_imported_here(base):
    """So the tests below prove something."""
    script = "from importlib.util import find_spec; from darkroom.installation import SERVICE; "
    assert output(base, script + "print([name for name in SERVICE if find_spec(name)])").strip() == "[]"


def test_the_client_can_be_imported(base):
    """By its public name, as are its errors; another name is an AttributeError."""
    script = "import darkroom; from darkroom import *; print(Client is darkroom.Client, hasattr(darkroom, 'Nobody'))"
    assert output(base, script).split() == ["True", "False"]
    assert output(base, "from darkroom import *; print(UploadInterrupted.mro()[1] is ClientError)").strip() == "True"


@pytest.mark.parametrize("module", ["darkroom", "darkroom.cli", "darkroom.processes.run"])
def test_ssl_is_not_loaded_early(base, module):
    """An edge patches it with gevent, which must come first."""
    assert output(base, f"import {module}, sys; print('ssl' in sys.modules)").strip() == "False"


@pytest.mark.parametrize("name", ["", "run", *(command.name for command in COMMANDS)])
def test_every_command_has_help(base, name):
    """Also those that could not run."""
    shown = run(base, "-m", "darkroom", *name.split(), "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "usage: darkroom" in shown.stdout


@pytest.mark.parametrize(
    "command",
    [
        "signup --name Ana --country PT",
        "signin a@b",
        "sessions",
        "signout",
        "upload a.jpg",
        "feed",
        "photo p_1",
        "follow u_1",
    ],
)
def test_the_commands_of_the_client_run(base, command):
    """They get as far as there being no system."""
    ended = run(base, "-m", "darkroom", *command.split())
    assert ended.returncode == 1
    assert ended.stderr.startswith(("✗ No system is running here", "✗ Nobody has signed in yet"))


@pytest.mark.parametrize("command", OTHERS)
def test_the_other_commands_name_the_extra_that_they_need(base, command):
    """In one sentence, with the command that installs it; the exit code is 1."""
    ended = run(base, "-m", "darkroom", *OTHERS[command])
    assert ended.returncode == 1
    assert ended.stdout == ""
    sentence, advice = ended.stderr.splitlines()
    assert sentence.startswith(f"✗ `darkroom {command}` needs the extra `service`")
    assert advice == "→ Install it: pip install 'darkroom[service]'"


def test_every_command_is_tested_here():
    """A new command has to say whether it needs the extra `service`."""
    assert {command.name for command in COMMANDS if command.needs_service} | {"run"} == set(OTHERS)
    assert {command.name for command in CLIENT} == {
        "signup",
        "signin",
        "sessions",
        "signout",
        "upload",
        "feed",
        "photo",
        "follow",
    }


def test_the_base_is_what_the_client_imports(base):
    """No more and no less."""
    loaded = [Path(file) for file in output(base, LOAD_THE_CLIENT).splitlines()]
    ours = [file for file in loaded if file.is_relative_to(ROOT) and file.relative_to(ROOT).parts[0] in OURS]
    named = {canonicalize_name(one.name) for one in requirements("options", "install_requires")}
    assert distributions_of(libraries_in(ours)) == named


def test_the_extra_service_is_what_the_processes_import():
    """`darkroom.installation` looks for every one of these libraries, and setup.cfg installs them."""
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    own = [file for file in files if not any(file.is_relative_to(folder) for folder in STORES)]
    in_base = {"rich", "urllib3"}
    assert libraries_in(own) - in_base == set(SERVICE)
    assert distributions_of(set(SERVICE)) <= with_dependencies(requirements("options.extras_require", "service"))


def test_the_extra_stores_is_what_the_adapters_import():
    """Of the real servers."""
    imported = libraries_in([file for folder in STORES for file in folder.rglob("*.py")])
    assert distributions_of(imported) <= with_dependencies(requirements("options.extras_require", "stores"))
