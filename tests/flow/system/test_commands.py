"""The users' commands, as programs on a running system: one that is broken off or repeated loses nothing."""

import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest


@pytest.fixture
def darkroom(system):
    """`darkroom("upload", "a.jpg")` runs a command; its `Popen` with `wait=False`."""

    def run(*arguments: str, wait: bool = True):
        command = [sys.executable, "-m", "darkroom", "--data", str(system.data), *arguments]
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if not wait:
            return started
        out, err = started.communicate(timeout=120)
        return subprocess.CompletedProcess(command, started.returncode, out, err)

    return run


@pytest.fixture
def someone(darkroom):
    """The name of a profile of its own."""
    name = f"someone{random.randrange(1 << 40)}"
    assert darkroom("signup", "--name", name, "--country", "PT").returncode == 0
    return name


@pytest.fixture
def photo_ids(system, someone):
    """The ids of all photos of that profile, also of those that are not ready."""

    def found() -> list[str]:
        profile = json.loads((system.data / "profiles" / f"{someone}.json").read_text())
        (file,) = system.data.rglob("eu-west/catalog.db")
        with closing(sqlite3.connect(file)) as catalog:
            rows = catalog.execute("SELECT photo_id FROM photos WHERE owner_id = ?", (profile["id"],)).fetchall()
        return [photo_id for (photo_id,) in rows]

    return found


def remembered(system) -> list:
    return list((system.data / "uploads").glob("*.json"))


def test_signing_up_does_not_replace_a_profile(darkroom, system, someone):
    """That signs somebody else in. `--replace` does."""
    file = system.data / "profiles" / f"{someone}.json"
    before = file.read_text()
    refused = darkroom("signup", "--name", someone, "--country", "PT")
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    assert file.read_text() == before
    assert darkroom("signup", "--name", someone, "--country", "PT", "--replace").returncode == 0
    assert file.read_text() != before


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_upload_that_is_broken_off_is_continued_by_the_same_command(
    darkroom, system, someone, photo_ids, draw, tmp_path, signal_number
):
    """Also after kill -9: no photo is missing, none is there twice."""
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(draw(40 + number))
    command = ("--as", someone, "upload", str(tmp_path))
    before = remembered(system)
    broken_off = darkroom(*command, wait=False)
    while len(remembered(system)) == len(before):
        time.sleep(0.002)
    broken_off.send_signal(signal_number)
    _, err = broken_off.communicate(timeout=60)
    assert broken_off.returncode != 0
    if signal_number == signal.SIGINT:
        assert (broken_off.returncode, "same command again" in err) == (130, True), err
    assert darkroom(*command).returncode == 0
    assert len(photo_ids()) == 3
    assert remembered(system) == before


def test_the_same_command_uploads_again_once_it_has_succeeded(darkroom, someone, photo_ids, draw, tmp_path):
    """The user wants two."""
    (tmp_path / "a.jpg").write_bytes(draw(50))
    for _ in range(2):
        assert darkroom("--as", someone, "upload", str(tmp_path / "a.jpg")).returncode == 0
    assert len(photo_ids()) == 2


def test_a_folder_is_uploaded_with_its_folders(darkroom, someone, photo_ids, draw, tmp_path):
    """Photos only, and nothing that is hidden. One that is no photo fails by name, and the others arrive."""
    for number, path in enumerate(["a.jpg", "summer/b.JPG", "summer/sea/c.jpeg", ".trash/d.jpg", "notes.txt"]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(draw(60 + number))
    (tmp_path / "summer" / "broken.jpg").write_text("not a photo")
    done = darkroom("--as", someone, "upload", str(tmp_path))
    assert done.returncode == 1
    assert "summer/broken.jpg" in done.stderr.replace("\n", "")
    assert len(photo_ids()) == 4
    assert done.stdout.count("ready") == 3
    assert darkroom("--as", someone, "upload", str(tmp_path)).returncode == 1
    # What was refused is tried again, as a new photo: the service may accept it by now.
    assert len(photo_ids()) == 5


def test_an_upload_is_not_resumed_with_another_file(darkroom, someone, photo_ids, draw, tmp_path):
    """Although it is complete: the error says so, rather than success for a file that was never sent."""
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(draw(70 + number))
    assert darkroom("--as", someone, "upload", str(tmp_path / "0.jpg")).returncode == 0
    (photo_id,) = photo_ids()
    wrong = darkroom("--as", someone, "upload", "--resume", photo_id, str(tmp_path / "1.jpg"))
    assert wrong.returncode == 1
    assert "not the file" in wrong.stderr


def test_an_owner_sees_why_a_photo_failed_and_nobody_else_does(darkroom, someone, photo_ids, tmp_path):
    """A photo that is not ready exists for its owner only."""
    (tmp_path / "broken.jpg").write_text("not a photo")
    assert darkroom("--as", someone, "upload", str(tmp_path / "broken.jpg")).returncode == 1
    [photo_id] = photo_ids()
    shown = darkroom("--as", someone, "photo", photo_id)
    assert (shown.returncode, "failed" in shown.stdout) == (0, True), shown.stderr
    other = f"{someone}2"
    assert darkroom("signup", "--name", other, "--country", "PT").returncode == 0
    assert darkroom("--as", other, "photo", photo_id).returncode == 1


@pytest.fixture
def passphrase_file(tmp_path):
    file = tmp_path / "passphrase"
    file.write_text("four words to remember\n")
    return str(file)


def test_a_person_signs_out_and_in_again(darkroom, system, passphrase_file):
    """By the handle that was shown, on any edge; another session is listed and ended."""
    name = f"carla{random.randrange(1 << 40)}"
    with_passphrase = ("--passphrase-file", passphrase_file)
    signed_up = darkroom("signup", "--name", name, "--country", "PT", *with_passphrase)
    assert signed_up.returncode == 0 and f"{name}@eu-west" in signed_up.stdout
    assert darkroom("--as", name, "signout").returncode == 0
    assert not (system.data / "profiles" / f"{name}.json").exists()
    for profile in ("first", "second"):
        signed_in = darkroom("--as", profile, "signin", f"{name}@eu-west", "--edge", "sydney", *with_passphrase)
        assert signed_in.returncode == 0, signed_in.stderr
    listed = darkroom("--as", "first", "sessions")
    assert listed.stdout.count("darkroom command") == 2
    assert darkroom("--as", "first", "sessions", "--end-others").stdout.count("darkroom command") == 1
    ended = darkroom("--as", "second", "feed")
    assert ended.returncode == 1 and "darkroom signin" in ended.stderr


def test_a_taken_handle_is_varied_unless_it_was_asked_for(darkroom, passphrase_file):
    """Nobody is stopped by a name that others have."""
    name = f"dario{random.randrange(1 << 40)}"
    sign_up = ("signup", "--name", name, "--country", "PT", "--replace", "--passphrase-file", passphrase_file)
    assert f"{name}@eu-west" in darkroom(*sign_up).stdout
    second = darkroom(*sign_up)
    assert second.returncode == 0 and f"{name}_" in second.stdout
    refused = darkroom(*sign_up, "--handle", name)
    assert refused.returncode == 1 and "is taken" in refused.stderr


def test_a_recovery_code_lets_in_who_forgot_the_passphrase(darkroom, passphrase_file):
    """The sign-up printed it; nobody is asked anything where nobody can type."""
    name = f"elena{random.randrange(1 << 40)}"
    printed = darkroom("signup", "--name", name, "--country", "PT").stdout
    assert "Your passphrase, shown this once" in printed
    code = re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}", printed)[7]
    recovery = ("signin", f"{name}@eu-west", "--replace", "--recovery-code", code, "--passphrase-file", passphrase_file)
    assert darkroom(*recovery).returncode == 0
    assert darkroom(*recovery).returncode == 1
    assert darkroom("signin", f"{name}@eu-west", "--replace", "--passphrase-file", passphrase_file).returncode == 0
