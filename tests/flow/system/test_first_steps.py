"""The first steps that the documents describe, as they are written there, on a running system."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENTED_EDGE = "http://127.0.0.1:8600"


def test_the_first_steps_with_curl_work_as_they_are_written(system, tmp_path):
    """Line by line in a shell that stops at the first error, and then the Python of a script with its token. Only
    the edge's address is another one."""
    text = (ROOT / "docs" / "accounts.md").read_text()
    (script,), (program,) = (re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) for language in ("sh", "python"))
    assert DOCUMENTED_EDGE in script
    written = "set -eo pipefail\n" + script.replace(DOCUMENTED_EDGE, system.edges["sydney"])
    done = subprocess.run(["bash", "-c", written], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    assert '"label": "Laptop"' in done.stdout and '"refresh_token"' in done.stdout
    program = program.replace(DOCUMENTED_EDGE, system.edges["lisbon"])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "'items': []" in done.stdout


def test_the_python_of_the_readme_works_as_it_is_written(system, tmp_path):
    (code,) = re.findall(
        r"((?:    .*\n)*    from darkroom import Client\n(?:    .*\n)*)", (ROOT / "README.md").read_text()
    )
    program = re.sub("^    ", "", code, flags=re.MULTILINE).replace(DOCUMENTED_EDGE, system.edges["chicago"])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "@eu-west" in done.stdout
