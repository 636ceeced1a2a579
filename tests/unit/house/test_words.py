"""The words of docs/glossary.md, and no older ones for the same things."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

REPLACED = {
    r"bur(y|ies|ied|ials?)": "delete, deletion",
    r"(?<!tomb)stones?": "tombstone",
    r"tenures?": "epoch",
    r"(pilot|rider)s?": "fetch, reader",
    r"(minted|mints|mint)": "id generator",
    r"(complaint|verdict|finding)s?": "error message, result",
    r"(asker|looker)s?": "requester",
    r"(told|tells?_with|said)": "published, notified; parsed",
    r"examin(e|es|ed|ing|ations?)": "health check",
    r"fences?": "fencing token",
    r"object[ _]door|door": "object server",
    r"silence_s": "tombstones_age_s",
    r"(who|whom|whoso)ever|for ever|hence|thereof|thereby|whither|hither|lest": "modern English",
}
"""Each is a regular expression for whole words, also within names like `is_told`; and what to write instead."""

EXEMPT = {
    "CHANGELOG.md": "it lists what names were before",
    "tests/unit/house/test_words.py": "the table above",
}


def _texts() -> dict[str, str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kinds = (".py", ".js", ".html", ".css", ".md", ".cfg", ".toml", ".yaml")
    names = [name for name in listed.split("\0") if name.endswith(kinds) and name not in EXEMPT]
    return {name: (ROOT / name).read_text() for name in names if (ROOT / name).exists()}


@pytest.mark.parametrize("replaced", REPLACED)
def test_a_replaced_word_is_nowhere(replaced):
    """In code, tests, pages, documents and settings."""
    word = re.compile(rf"(?<![a-z])(?:{replaced})(?![a-z])", re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in _texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if word.search(line)
    ]
    assert not found, f"write: {REPLACED[replaced]}"
