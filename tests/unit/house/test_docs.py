"""What the documentation says of the code is what the code is."""

import re
from pathlib import Path

import pytest

from docs import draw_topics

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_picture_of_topics_is_drawn_from_the_table():
    """`make docs` draws it anew."""
    assert draw_topics.PICTURE.read_text() == draw_topics.picture()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(document):
    """As a link, or as a path in backquotes; a word in capitals stands for a name."""
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = re.findall(
        r"`((?:regions|origin|processing|replication|edge|darkroom|tests|deploy|docs|bench)/[\w./-]*)`", text
    )
    missing = [link for link in links if not (document.parent / link).exists()]
    missing += [path for path in paths if not re.search("[A-Z]{4}", path) and not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_is_there(document):
    """So what docs/threat-model.md says is tried is tried."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", document.read_text())
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text()]
    assert not missing


def test_each_attack_is_tried_by_a_test_or_is_a_gap():
    """And the gap that it names is there."""
    text = (ROOT / "docs" / "threat-model.md").read_text()
    tried, gaps = re.search("## What was tried\n(.*)## Known gaps\n(.*)", text, re.DOTALL).groups()
    rows = [line.split(" | ") for line in tried.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 40
    for _, what, tests in rows:
        gap = re.search("gap ([0-9]+)", what)
        assert re.search("`tests/.*::test_", tests) if gap is None else f"\n{gap[1]}. " in f"\n{gaps}", what
