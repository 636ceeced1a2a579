"""`darkroom known-bad` on the real settings of three regions."""

import shutil
from contextlib import closing

import pytest

from darkroom.cli import main
from darkroom.local import data_folder
from darkroom.operate import known_bad
from processing import moderation
from regions import config
from regions.stores.settings import KNOWN_BAD, MAX_VALUE_BYTES

MACHINE = data_folder.read_machine()
REGIONS = list(MACHINE.regions)
LIST = f"# case 17\nsha256 {'a' * 64}\nphash {'b' * 64} 12  # wall.png\n"


@pytest.fixture
def data(tmp_path):
    data_folder.prepare(tmp_path, MACHINE, {process.name: 1 for process in MACHINE.processes()})
    return tmp_path


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(LIST)
    return path


def run(data, *arguments) -> int:
    return main(["known-bad", *map(str, arguments), "--data", str(data)])


def open_settings(data, region):
    return closing(config.open_settings(config.load(data / "topology.toml", {}), region))


def lists(data) -> list[str | None]:
    found = []
    for region in REGIONS:
        with open_settings(data, region) as settings:
            setting = settings.values.read(KNOWN_BAD)
            found.append(setting.value if setting else None)
    return found


def shown(capsys) -> str:
    """Standard output and error, with the lines of a narrow terminal joined."""
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


def test_each_region_gets_the_list(data, file):
    """Also in place of another one, and again."""
    for text in (LIST, f"sha256 {'c' * 64}\n", "# nothing\n"):
        file.write_text(text)
        for _ in range(2):
            assert run(data, "set", file) == 0
            assert lists(data) == [text] * len(REGIONS)


def test_a_list_can_be_fetched_to_add_lines_to_it(data, file, capsys):
    """If all regions have the same, or from the one that is named."""
    run(data, "set", file)
    capsys.readouterr()
    assert run(data, "get") == 0
    assert capsys.readouterr().out == LIST
    file.write_text("# nothing\n")
    run(data, "set", file, "--region", REGIONS[1])
    assert run(data, "get") == 1
    assert "Name one with --region" in shown(capsys)
    assert run(data, "get", "--region", REGIONS[0]) == 0
    assert capsys.readouterr().out == LIST


def test_an_empty_file_takes_nothing_off_the_list(data, file, capsys):
    """A command before may have failed to write it."""
    run(data, "set", file)
    file.write_text("\n")
    assert run(data, "set", file) == 1
    assert "is empty" in shown(capsys)
    assert lists(data) == [LIST] * len(REGIONS)


def test_what_was_written_is_named(data, file, capsys):
    """Region by region."""
    run(data, "set", file)
    output = shown(capsys)
    assert all(f"{region} has the list of 3 lines" in output for region in REGIONS)


def test_one_region_may_have_a_list_of_its_own(data, file):
    """By --region."""
    assert run(data, "set", file, "--region", REGIONS[1]) == 0
    assert lists(data) == [None, LIST, *[None] * (len(REGIONS) - 2)]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (f"{LIST}sha256 oops\n".encode(), "line 4 of the known-bad list"),
        (b"phash 0123456789abcdef 4", "`darkroom fingerprint FILE`"),
        (b"# caf\xe9", "UTF-8"),
        (b"\xff\xfes\0h\0a\0", "UTF-8"),
        (b"#" * (MAX_VALUE_BYTES + 1), f"a list may have {MAX_VALUE_BYTES:,}"),
        (("#" + "é" * (MAX_VALUE_BYTES // 2)).encode(), "Leave out comments"),
    ],
    ids=["broken", "old", "latin", "utf-16", "long", "long in bytes"],
)
def test_a_list_that_can_not_be_used_is_refused_before_it_is_written(data, file, capsys, content, error):
    """With what is wrong, and what to do; the regions keep theirs."""
    run(data, "set", file)
    file.write_bytes(content)
    capsys.readouterr()
    assert run(data, "set", file) == 1
    assert error in shown(capsys)
    assert lists(data) == [LIST] * len(REGIONS)


def test_the_longest_list_can_be_written(data, file):
    """As many entries as a list may have fit into a setting."""
    text = "\n".join(f"phash {number:064x}" for number in range(moderation.MAX_ENTRIES))
    file.write_text(text)
    assert run(data, "set", file, "--region", REGIONS[0]) == 0
    assert lists(data)[0] == text
    file.write_text(f"{text}\nphash {'f' * 64}")
    assert run(data, "set", file, "--region", REGIONS[0]) == 1


def test_what_somebody_else_writes_meanwhile_is_not_overwritten(data):
    """The one who comes second hears of it."""
    with open_settings(data, REGIONS[0]) as settings:

        class Overtaken:
            """The settings, of which somebody else writes one just before we do."""

            read = staticmethod(settings.values.read)

            def write(self, key, value, expected_version):
                settings.values.write(key, "# theirs")
                return settings.values.write(key, value, expected_version)

        assert not known_bad.replace(Overtaken(), LIST)
        assert settings.values.read(KNOWN_BAD).value == "# theirs"
        assert known_bad.replace(settings.values, LIST)


@pytest.mark.parametrize("action", ["set", "show"])
def test_a_region_that_is_away_does_not_keep_the_others_from_it(data, file, capsys, action):
    """It is named, and the exit code is 1."""
    shutil.rmtree(data / "regions" / REGIONS[0])
    assert run(data, *(["set", file] if action == "set" else ["show"])) == 1
    output = shown(capsys)
    assert all(region in output for region in REGIONS)
    with open_settings(data, REGIONS[1]) as settings:
        assert (settings.values.read(KNOWN_BAD) is not None) == (action == "set")


def test_show_counts_and_names_no_hash(data, file, capsys):
    """Equal lists have equal versions."""
    run(data, "set", file)
    run(data, "set", file, "--region", REGIONS[0])
    capsys.readouterr()
    assert run(data, "show") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()][1:]
    version = moderation.parse(LIST).version[:12]
    assert rows == [[region, "3", "1", "1", version] for region in REGIONS]


def test_show_says_where_there_is_no_list_and_where_it_is_unreadable(data, capsys):
    """The exit code is 1, because photos wait there."""
    assert run(data, "show") == 0
    assert "no list" in shown(capsys)
    with open_settings(data, REGIONS[1]) as settings:
        settings.values.write(KNOWN_BAD, "oops")
    assert run(data, "show") == 1
    assert f"{REGIONS[1]}: line 1 of the known-bad list" in shown(capsys)


@pytest.mark.parametrize("arguments", [["set"], ["show", "list.txt"], ["remove"], ["show", "--region", "mars"]])
def test_wrong_usage_has_advice(data, capsys, arguments):
    """And the exit code 2."""
    assert run(data, *arguments) == 2
    assert shown(capsys)


def test_a_file_that_is_not_there_is_named(data, capsys):
    """As for other commands."""
    assert run(data, "set", data / "missing.txt") == 1
    assert "missing.txt" in shown(capsys).replace(" ", "")
