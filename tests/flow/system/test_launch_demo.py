"""The demo on a system that runs already: it judges what it sees, and its exit code says how that went."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def demo(system):
    def run(photos) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "darkroom", "--data", str(system.data), "demo", "--once"]
        command += ["--photos", str(photos)]
        environ = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environ, check=False)

    return run


def test_the_demo_holds_all_its_claims(system, demo, draw, tmp_path):
    """With the photos of a folder; it exits with 0, tells where every byte lies, and leaves the system running."""
    for number in range(2):
        (tmp_path / f"harbour {number}.jpg").write_bytes(draw(number, 1400, 1000))
    shown = demo(tmp_path)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "✗" not in shown.stdout
    assert shown.stdout.count("✓ ") >= 12
    assert "harbour 1" in shown.stdout
    assert "policy.yaml:" in shown.stdout
    assert system.edges["lisbon"] in shown.stdout


def test_the_demo_fails_where_a_photo_does(demo, draw, tmp_path):
    """It goes on with the others, names the reason, and exits with 1."""
    (tmp_path / "good.jpg").write_bytes(draw(1, 1400, 1000))
    (tmp_path / "bad.jpg").write_bytes(b"To whom it may concern: this is a text.")
    shown = demo(tmp_path)
    assert shown.returncode == 1
    assert "✗ Every photo is ready" in shown.stdout
    assert "✓ The follower's feed has each photo once" in shown.stdout
