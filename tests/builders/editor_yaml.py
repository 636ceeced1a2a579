"""YAML as editors read it: by version 1.2, in which `NO` and a date are text."""

from typing import Any

import yaml


class _Core(yaml.SafeLoader):
    """PyYAML reads version 1.1. Without these two kinds it reads what stands in a policy as 1.2 does."""


_Core.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(text: str) -> Any:
    return yaml.load(text, Loader=_Core)
