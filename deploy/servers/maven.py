"""Jars from Maven Central: a server's own and its dependencies, copied into one folder."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.servers.process import ServerError

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>darkroom</groupId><artifactId>server</artifactId><version>1</version>
<dependencies>{}</dependencies></project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def fetch(artifacts: Sequence[str], folder: Path) -> None:
    """`artifacts` are `group:artifact:version`. Maven does not download a jar twice."""
    folder.mkdir(parents=True, exist_ok=True)
    dependencies = "".join(_DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)
    (folder / "pom.xml").write_text(_POM.format(dependencies))
    run(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"], folder)


def run(command: Sequence[str], folder: Path, **environment: str) -> None:
    """Runs one step of an installation. Raises ServerError with the end of its output."""
    try:
        ended = subprocess.run(
            ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items()), *command],
            cwd=folder,
            capture_output=True,
            text=True,
        )
    except OSError as error:
        raise ServerError(f"{command[0]} can't be run: {error.strerror}") from error
    if ended.returncode != 0:
        output = (ended.stdout + ended.stderr).strip()[-1500:]
        raise ServerError(f"`{' '.join(command)}` failed (is {command[0]} installed?):\n{output}")
