"""One name for one thing."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROOMS = ("regions", "origin", "processing", "replication", "edge", "darkroom", "deploy", "bench")


def test_each_class_name_is_used_once():
    """So that a name alone says which class is meant."""
    files = defaultdict(list)
    for path in [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "peers" not in path.parts]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                files[node.name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in files.items() if len(where) > 1} == {}
