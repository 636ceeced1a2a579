"""kill -9 of a process that writes objects: everything it acknowledged is whole, and nothing is half written."""

import hashlib
import os
import random

import pytest

from regions.stores.directory.objects import DirectoryObjects
from regions.stores.objects import RAW, VARIANTS
from tests.builders import scripts
from tests.builders.stores import directory_objects

COMMON = """
import hashlib, io, os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from regions.stores.directory.signing import SignedContent
from regions.stores.objects import RAW, VARIANTS
from tests.builders.stores import directory_objects

def acknowledge(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def text(key, version):
    # All versions of an object have the same length, so only their hash tells them apart.
    return f"{key} {version:08} ".encode() * 9000

def put(store, key, version):
    data = text(key, version)
    store.put(VARIANTS, key, [data[:99_999], data[99_999:]], hashlib.sha256(data).hexdigest(), "image/jpeg")
    acknowledge("put", key, version)

def upload(store, key, parts):
    data = text(key, 0)
    cuts = [len(data) * part // parts for part in range(parts + 1)]
    multipart_id = store.create_upload(RAW, key)
    for number in range(1, parts + 1):
        part = data[cuts[number - 1] : cuts[number]]
        store.write_part(multipart_id, number, io.BytesIO(part), len(part))
        acknowledge("part", multipart_id, number)
    store.complete_upload(multipart_id, store.list_parts(multipart_id))
    acknowledge("complete", key, 0)

def receive(store, key):
    data = text(key, 0)
    content = SignedContent(hashlib.sha256(data).hexdigest(), "image/jpeg", "")
    store.put_new(VARIANTS, key, io.BytesIO(data), len(data), content)
    acknowledge("receive", key, 0)

def delete(store, key):
    store.delete(VARIANTS, key)
    acknowledge("delete", key, 0)
"""

# Four threads, each of which writes keys of its own forever.
WRITER = (
    COMMON
    + """
store, run = directory_objects(sys.argv[1], "http://object-server", b"secret"), sys.argv[2]

def write_from(thread):
    for version in count():
        put(store, f"{thread}/of-{run}/150.jpg", version)
        upload(store, f"{thread}/{version}-of-{run}", 1 + version % 3)

with ThreadPoolExecutor(4) as pool:
    list(pool.map(write_from, range(4)))
"""
)

# For each step on the disk, a process that kills itself just before it, in its own folder; the last one ends by itself.
BEFORE_EACH_STEP = (
    COMMON
    + """
STEPS = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.utime", "fcntl.flock", "os.listdir"}

def die_before(step):
    steps = count()
    def hook(event, arguments):
        if event in STEPS and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def write_all(store):
    put(store, "ab/p/150.jpg", 1)
    put(store, "ab/p/150.jpg", 2)
    upload(store, "ab/whole", 1)
    upload(store, "ab/joined", 2)
    receive(store, "ab/received")
    delete(store, "ab/p/150.jpg")

for step in count():
    child = os.fork()
    if child == 0:
        root = f"{sys.argv[1]}/{step}"
        sys.stdout.flush()
        os.dup2(os.open(f"{root}.acknowledged", os.O_WRONLY | os.O_CREAT), 1)
        die_before(step)
        write_all(directory_objects(root, "http://object-server", b"secret"))
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        break
"""
)

P, WHOLE, JOINED, RECEIVED = "ab/p/150.jpg", "ab/whole", "ab/joined", "ab/received"
UPLOADS = {WHOLE: 0, JOINED: 0}
# What exists after each acknowledged write of `write_all`: keys and versions.
CONTENTS = [{}, {P: 1}, {P: 2}, {P: 2, WHOLE: 0}, {P: 2, **UPLOADS}, {P: 2, **UPLOADS, RECEIVED: 0}]
CONTENTS += [{**UPLOADS, RECEIVED: 0}]


def text(key: str, version: int) -> bytes:
    return f"{key} {version:08} ".encode() * 9000


def version_of(store: DirectoryObjects, bucket: str, key: str) -> int:
    """The version of the object. Fails if its bytes are not those of one version, or do not match its metadata."""
    with store.open(bucket, key) as chunks:
        data = b"".join(chunks)
    version = int(data.split(b" ")[1])
    assert data == text(key, version)
    info = store.info(bucket, key)
    assert (info.size_bytes, info.sha256) in [(len(data), hashlib.sha256(data).hexdigest()), (len(data), None)]
    assert (info.sha256 is None) == (bucket == RAW)
    return version


def versions(store: DirectoryObjects) -> dict[str, int]:
    """Every object. What is left of a deletion that was killed in between is listed too, but is none."""
    return {
        info.key: version_of(store, bucket, info.key)
        for bucket in (RAW, VARIANTS)
        for info in list(store.list(bucket))
        if store.info(bucket, info.key) is not None
    }


def opened(root) -> DirectoryObjects:
    return directory_objects(str(root), "http://object-server", b"secret")


@pytest.fixture
def kill_after(tmp_path):
    """Kills a writer after so many acknowledged writes; returns all that it acknowledged."""

    def kill_after(writes: int, run: int) -> list[list[str]]:
        return [line.split() for line in scripts.kill_after(writes, WRITER, tmp_path / "objects", run)]

    return kill_after


def test_what_was_acknowledged_is_whole_after_kills_at_random(kill_after, tmp_path):
    """One writer after another in one folder. Every visible object is whole and matches its hash."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")  # noqa: T201
    moments, acknowledged, parts = random.Random(seed), {}, set()
    for run in range(6):
        for what, name, number in kill_after(moments.randrange(1, 60), run):
            if what == "part":
                parts.add((name, int(number)))
            else:
                acknowledged[name] = int(number)
    store = opened(tmp_path / "objects")
    found = versions(store)
    for key, version in acknowledged.items():
        assert found[key] in (version, version + 1)
    for multipart_id, number in parts:
        key = "/".join(multipart_id.split("~")[2:])
        assert key in found or number in {part.number for part in store.list_parts(multipart_id)}


def test_a_kill_before_any_step_leaves_the_old_or_the_new(tmp_path):
    """From the creation of the folders to the last removal, each step in turn."""
    scripts.output(BEFORE_EACH_STEP, tmp_path, timeout_s=120)
    files = sorted(tmp_path.glob("*.acknowledged"), key=lambda file: int(file.stem))
    for file in files:
        done = sum(not line.startswith("part") for line in file.read_text().splitlines())
        store = opened(tmp_path / file.stem)
        assert versions(store) in CONTENTS[done : done + 2]
        # The next writer removes what the dead process left.
        store.put(VARIANTS, "zz/next", [b"next"], hashlib.sha256(b"next").hexdigest(), "image/jpeg")
        assert [path for path in (tmp_path / file.stem / "tmp").rglob("*") if path.is_file()] == []
    assert len(files) > 100
    assert done == len(CONTENTS) - 1


def test_a_dead_process_holds_no_lock(kill_after, tmp_path):
    """Other processes can write and delete the same keys."""
    kill_after(20, 0)
    store = opened(tmp_path / "objects")
    for info in list(store.list(VARIANTS)):
        data = text(info.key, 77)
        store.put(VARIANTS, info.key, [data], hashlib.sha256(data).hexdigest(), "image/jpeg")
        assert version_of(store, VARIANTS, info.key) == 77
        store.delete(VARIANTS, info.key)
    assert list(store.list(VARIANTS)) == []


def test_a_living_process_keeps_its_unfinished_files(tmp_path):
    """Opening the folder removes what dead processes left, and nothing else."""
    first = opened(tmp_path)
    (tmp_path / "tmp" / "left").mkdir()
    (tmp_path / "tmp" / "left" / "rubbish").write_bytes(b"half")

    def chunks():
        yield b"one "
        opened(tmp_path)
        yield b"two"

    first.put(VARIANTS, "ab/p", chunks(), hashlib.sha256(b"one two").hexdigest(), "image/jpeg")
    assert not (tmp_path / "tmp" / "left").exists()
    assert first.info(VARIANTS, "ab/p").size_bytes == 7
