"""Draws `docs/topics.svg` from the table of topics: `python -m docs.draw_topics` (`make docs`)."""

from pathlib import Path

from regions.events.topics import PROCESS_OF_GROUP, TABLE

PICTURE = Path(__file__).with_name("topics.svg")

_ROW, _TOP, _HEIGHT = 34, 64, 26
_COLUMNS = {"topic": (20, 310), "group": (400, 140), "process": (630, 120)}
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.head{font-weight:600}rect{fill:#f5f7fa;stroke:#9aa5b1;rx:5}"
    "line{stroke:#7b8794;stroke-width:1.4}.note{fill:#616e7c;font-size:12px}"
)


def picture() -> str:
    """The SVG: each topic, the consumer groups that read it, and the kind of process that runs each group."""
    groups = list(PROCESS_OF_GROUP)
    processes = list(dict.fromkeys(PROCESS_OF_GROUP.values()))
    shapes = [_heading(column) for column in _COLUMNS]
    for row, topic in enumerate(TABLE):
        shapes += [_box("topic", row, topic.name), _note(row, f"key: {topic.key}")]
        shapes += [_arrow("topic", row, "group", groups.index(group)) for group in topic.groups]
    for row, group in enumerate(groups):
        name = "lane-REGION" if group == "lane" else group
        shapes += [
            _box("group", row, name),
            _arrow("group", row, "process", processes.index(PROCESS_OF_GROUP[group])),
        ]
    shapes += [_box("process", row, process) for row, process in enumerate(processes)]
    height = _TOP + _ROW * len(TABLE) + 10
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" role="img" '
        f'aria-label="Topics, consumer groups and processes">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


def _heading(column: str) -> str:
    return f'<text class="head" x="{_COLUMNS[column][0]}" y="36">{column}</text>'


def _box(column: str, row: int, text: str) -> str:
    left, width = _COLUMNS[column]
    top = _TOP + _ROW * row - 6
    return (
        f'<rect x="{left}" y="{top}" width="{width}" height="{_HEIGHT}"/>'
        f'<text x="{left + 10}" y="{top + 17}">{text}</text>'
    )


def _note(row: int, text: str) -> str:
    return f'<text class="note" x="{_COLUMNS["topic"][0] + 175}" y="{_TOP + _ROW * row + 11}">{text}</text>'


def _arrow(start: str, start_row: int, end: str, end_row: int) -> str:
    left, width = _COLUMNS[start]
    y_start, y_end = (_TOP + _ROW * row + _HEIGHT // 2 - 6 for row in (start_row, end_row))
    return f'<line x1="{left + width}" y1="{y_start}" x2="{_COLUMNS[end][0]}" y2="{y_end}"/>'


if __name__ == "__main__":
    PICTURE.write_text(picture())
