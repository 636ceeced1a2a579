"""What only the directory store meets: what others have put into its folders, and URLs of another form."""

import os
import shutil
from hashlib import sha256

import pytest

from regions.errors import TopologyError, Unavailable
from regions.stores.directory import adapter as directory
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.objects import RAW
from tests.builders.stores import directory_objects

KEY = "ab/p_1"


@pytest.fixture
def objects(tmp_path):
    opened = directory_objects(str(tmp_path / "objects"), "http://objects.test", b"secret")
    return opened


def test_a_stray_folder_among_the_uploads_does_not_stop_the_sweep(objects, tmp_path):
    """Such as `lost+found`, however old it is."""
    upload = objects.create_upload(RAW, KEY)
    (uploads,) = {path.parent for path in (tmp_path / "objects").rglob(upload)}
    for name in ("lost+found", "a", "zz"):
        (uploads / name).mkdir()
        os.utime(uploads / name, (0, 0))
    os.utime(uploads / upload, (0, 0))
    assert objects.abort_stale_uploads(1_000_000) == 1
    assert {path.name for path in uploads.iterdir()} == {"lost+found", "a", "zz"}


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", '[{"size_bytes": 5}]', '[{"size_bytes": 5, "mtime_ns": 1}]'])
def test_bytes_with_unreadable_metadata_are_an_object_of_unknown_hash(objects, tmp_path, text):
    """It can be listed, replaced and deleted."""
    objects.put(RAW, KEY, [b"bytes"], sha256(b"bytes").hexdigest(), "image/jpeg")
    (metadata,) = (tmp_path / "objects").rglob(".p_1.json")
    metadata.write_text(text)
    (found,) = objects.list(RAW, KEY)
    assert (found.size_bytes, found.sha256) == (5, None)
    assert objects.put(RAW, KEY, [b"other"], sha256(b"other").hexdigest(), "image/jpeg").sha256
    metadata.write_text(text)
    objects.delete(RAW, KEY)
    assert list(objects.list(RAW, KEY)) == []


@pytest.mark.parametrize("url", ["directory:///p?serve=http://h:1", "directory://host/p", "directory:"])
def test_a_url_of_another_form_is_refused(url):
    """Otherwise it would sign URLs that lead nowhere."""
    with pytest.raises(TopologyError, match="directory:///PATH"):
        directory.objects(url, b"secret")


@pytest.fixture
def unmounted(objects, tmp_path):
    """The store has an object, and its disk is not mounted any more: `unmounted()` mounts it again."""
    objects.put(RAW, KEY, [b"bytes"], sha256(b"bytes").hexdigest(), "image/jpeg")
    (tmp_path / "objects").rename(tmp_path / "disk")

    def mount():
        if (tmp_path / "objects").exists():
            shutil.rmtree(tmp_path / "objects")
        (tmp_path / "disk").rename(tmp_path / "objects")

    return mount


CALLS = {
    "delete": lambda objects: objects.delete(RAW, KEY),
    "info": lambda objects: objects.info(RAW, KEY),
    "list": lambda objects: list(objects.list(RAW)),
    "put": lambda objects: objects.put(RAW, "ab/p_2", [b"b"], sha256(b"b").hexdigest(), "image/jpeg"),
    "create_upload": lambda objects: objects.create_upload(RAW, KEY),
    "list_uploads": lambda objects: objects.list_uploads(RAW, KEY),
    "abort_stale_uploads": lambda objects: objects.abort_stale_uploads(1),
}


@pytest.mark.parametrize("instead", ["nothing", "an empty folder", "another store"])
@pytest.mark.parametrize("call", CALLS)
def test_without_its_disk_a_store_is_unavailable(objects, unmounted, tmp_path, call, instead):
    """A deletion above all is not done then: the bytes come back with the disk."""
    if instead == "an empty folder":
        (tmp_path / "objects").mkdir()
    if instead == "another store":
        directory_objects(str(tmp_path / "objects"), "", b"secret")
    with pytest.raises(Unavailable):
        CALLS[call](objects)
    unmounted()
    assert objects.info(RAW, KEY).size_bytes == 5


def test_a_handle_that_only_reads_writes_nothing(objects, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    opened = DirectoryObjects(str(tmp_path / "objects"), "", b"secret")
    assert list(opened.list(RAW)) == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("call", ["delete", "info", "list", "put"])
def test_without_the_folder_of_its_bucket_a_store_is_unavailable(objects, tmp_path, call):
    """It may be a disk of its own. Nothing counts as deleted then."""
    objects.put(RAW, KEY, [b"bytes"], sha256(b"bytes").hexdigest(), "image/jpeg")
    (tmp_path / "objects" / RAW).rename(tmp_path / "away")
    with pytest.raises(Unavailable):
        CALLS[call](objects)
    (tmp_path / "away").rename(tmp_path / "objects" / RAW)
    assert objects.info(RAW, KEY).size_bytes == 5


def test_a_deletion_that_was_killed_in_between_is_finished_by_the_next(objects, tmp_path, monkeypatch):
    """Nothing of the object stays, not even its hash."""
    objects.put(RAW, KEY, [b"bytes"], sha256(b"bytes").hexdigest(), "image/jpeg")
    removed = []

    def remove_once(path):
        if removed:
            raise KeyboardInterrupt
        removed.append(path.unlink())

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("regions.stores.directory.files.remove", remove_once)
        objects.delete(RAW, KEY)
    assert [info.key for info in objects.list(RAW)] == [KEY]
    objects.delete(RAW, KEY)
    assert not [path for path in (tmp_path / "objects" / RAW).rglob("*") if path.is_file()]
