"""The demo on a running system: it checks what it observes, and its exit code is the result."""

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


def test_all_checks_of_the_demo_pass(system, demo, draw, tmp_path):
    """With the photos of a folder. It exits with 0, lists where every byte is stored, and leaves the system running."""
    for number in range(2):
        (tmp_path / f"harbour {number}.jpg").write_bytes(draw(number, 1400, 1000))
    ran = demo(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "✗" not in ran.stdout
    assert ran.stdout.count("✓ ") >= 12
    assert "harbour 1" in ran.stdout
    assert len(ran.stdout.splitlines()) < 50
    ana, bob = ran.stdout.splitlines()[-2:]
    assert f"{system.edges['lisbon']}/#sign-in=" in ana
    assert f"{system.edges['chicago']}/#sign-in=" in bob


def test_the_two_people_of_the_demo_stay(system, demo, draw, tmp_path):
    """Their profiles work in commands, and the next demo is the same two people with more photos."""
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip" / "lake.jpg").write_bytes(draw(3, 1400, 1000))
    for _ in range(2):
        ran = demo(tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    command = [sys.executable, "-m", "darkroom", "--data", str(system.data), "--as", "bob", "feed"]
    feed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert feed.stdout.count("lake") >= 2


def test_the_demo_fails_if_a_photo_does(demo, draw, tmp_path):
    """It continues with the others, shows the failed check, and exits with 1."""
    (tmp_path / "good.jpg").write_bytes(draw(1, 1400, 1000))
    (tmp_path / "bad.jpg").write_bytes(b"To whom it may concern: this is a text.")
    ran = demo(tmp_path)
    assert ran.returncode == 1
    assert "✗ Every photo is ready" in ran.stdout
    assert "✓ The follower's feed has each photo once" in ran.stdout
