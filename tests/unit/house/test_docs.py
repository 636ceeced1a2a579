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
