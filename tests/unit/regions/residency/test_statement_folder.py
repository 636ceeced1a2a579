"""What a node has kept on its disk is what it knows after a restart; whatever else lies there is left out."""

import errno
from pathlib import Path

import pytest

from regions.residency.statement_folder import StatementFolder
from tests.builders.statements import Compliance

TEAM = Compliance()
FIRST, SECOND, THIRD = TEAM.states(), TEAM.states(), TEAM.states()


@pytest.fixture
def folder(tmp_path) -> StatementFolder:
    return StatementFolder(tmp_path / "state" / "statements")


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "state" / "statements").glob("*-*.json"))


def test_what_was_kept_is_there_for_another_process(folder, tmp_path):
    """By serial, with the signatures; what is known already can be left out."""
    for statement in (SECOND, FIRST, SECOND):
        folder.keep(statement)
    other = StatementFolder(tmp_path / "state" / "statements")
    assert [(one.hash, one.signed) for one in other.statements()] == [
        (FIRST.hash, FIRST.signed),
        (SECOND.hash, SECOND.signed),
    ]
    assert other.statements({FIRST.hash}) == [SECOND]


def test_a_folder_that_is_not_there_holds_nothing(folder):
    """It is made when something is kept."""
    assert (folder.statements(), folder.in_force(), folder.confirmed()) == ([], {}, "")
    folder.drop_before(5)


BROKEN = {
    "empty": b"",
    "cut": FIRST.signed.encode()[:-100],
    "no text": b"\xff\xfe\0",
    "another statement": THIRD.signed.encode(),
    "huge": b" " * 2_000_000,
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_left_out_and_written_anew(folder, tmp_path, data):
    """The others are read."""
    folder.keep(FIRST)
    folder.keep(SECOND)
    files(tmp_path)[0].write_bytes(data)
    assert folder.statements() == [SECOND]
    folder.keep(FIRST)
    assert folder.statements() == [FIRST, SECOND]


def test_a_renamed_file_is_left_out(folder, tmp_path):
    """A higher serial in its name makes a statement no newer."""
    folder.keep(FIRST)
    found = files(tmp_path)[0]
    found.rename(found.with_name(found.name.replace("0000000000001", "0000000000009")))
    assert folder.statements() == []


def test_foreign_files_and_folders_are_left_alone(folder, tmp_path):
    """Neither reading nor dropping stumbles over them."""
    folder.keep(FIRST)
    root = tmp_path / "state" / "statements"
    names = ("notes.json", "x-y.json", "1-2.json", ".hidden-1.json", "9" * 200 + "-a.json")
    for name in names:
        (root / name).write_text("{}")
    (root / f"0000000000001-{'0' * 64}.json").mkdir()
    (root / f"0000000000005-{'0' * 64}.json").symlink_to("/nowhere")
    assert folder.statements() == [FIRST]
    folder.keep(SECOND)
    folder.drop_before(2)
    assert folder.statements() == [SECOND]
    assert all((root / name).exists() for name in names)


def test_what_is_in_force_never_goes_back(folder):
    """A process that is late notes an older one; homes that it does not know stay."""
    for statement in (FIRST, SECOND):
        folder.keep(statement)
    folder.note_in_force({"eu-west": SECOND.hash, "eu-central": FIRST.hash})
    folder.note_in_force({"eu-west": FIRST.hash})
    assert folder.in_force() == {"eu-west": SECOND.hash, "eu-central": FIRST.hash}
    folder.note_in_force({"eu-central": SECOND.hash})
    assert folder.in_force() == {"eu-west": SECOND.hash, "eu-central": SECOND.hash}


@pytest.mark.parametrize("note", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"null"])
def test_a_broken_note_is_none(folder, tmp_path, note):
    """The rules are stricter then; the next note replaces it."""
    folder.keep(FIRST)
    (tmp_path / "state" / "statements" / "in_force").write_bytes(note)
    assert folder.in_force() == {}
    folder.note_in_force({"eu-west": FIRST.hash})
    assert folder.in_force() == {"eu-west": FIRST.hash}


def test_the_last_confirmed_is_noted(folder):
    """The last one counts."""
    folder.note_confirmed(FIRST)
    folder.note_confirmed(SECOND)
    assert folder.confirmed() == SECOND.hash


def test_a_full_disk_is_an_error_and_leaves_no_half_file(folder, tmp_path, monkeypatch):
    """What was kept before stays."""
    folder.keep(FIRST)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="no space"):
            folder.keep(SECOND)
    assert folder.statements() == [FIRST]
    assert [one.name for one in (tmp_path / "state" / "statements").iterdir()] == [files(tmp_path)[0].name]


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path):
    """As when a file is in its place."""
    (tmp_path / "state").write_text("")
    with pytest.raises(OSError, match="state"):
        StatementFolder(tmp_path / "state" / "statements").keep(FIRST)
