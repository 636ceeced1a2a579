"""One word for one thing: the words of `docs/glossary.md`, and none of those that they replaced."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("regions", "origin", "processing", "replication", "edge", "darkroom", "deploy", "bench")
SOURCES = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "peers" not in path.parts]
TEXTS = [
    *SOURCES,
    *(path for path in (ROOT / "tests").rglob("*.py") if path.name != "test_words.py"),
    *(ROOT / "darkroom" / "web").glob("*"),
    *(ROOT / "docs").rglob("*.md"),
    *ROOT.glob("*.md"),
]

# A word that is no longer used, and the one that is.
REPLACED = {
    r"doors?": "object server",
    r"bur(?:y|ied|ies|ial|ials)": "delete, deletion, tombstone",
    r"stones?": "tombstone",
    r"riders?|pilots?|seats?": "reader, fetch",
    r"mints?": "new_id, id generator",
    r"whoever": "the process, the caller, anyone who",
    r"fences?": "fencing token",
    r"tenures?": "epoch",
    r"wires": "connections",
    r"examinations?": "health check",
    r"judgements?": "moderation, evaluation",
    r"verdicts?": "checks",
    r"befalls?|thence|hither|lest": "plain words",
}


def test_each_class_name_is_used_once():
    """So that a name alone says which class is meant."""
    files = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                files[node.name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in files.items() if len(where) > 1} == {}


@pytest.mark.parametrize("word", REPLACED)
def test_a_word_that_was_replaced_is_not_used(word):
    """In code, comments, tests, texts of the page, and documents."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in TEXTS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(rf"(?<![a-z])(?:{word})(?![a-z])", line, re.IGNORECASE)
    ]
    assert not found, f"say {REPLACED[word]}"
