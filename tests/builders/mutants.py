"""Mistakes planted in code that is loaded: one piece of a module's text is exchanged, as a careless editor would."""

import inspect
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest


def plant(monkeypatch: pytest.MonkeyPatch, module: ModuleType, before: str, after: str) -> None:
    """Until the test ends, the functions of the module do what they would with `after` in place of `before`.

    Objects that exist already change too, since a function keeps its identity and gets other code.
    """
    text = inspect.getsource(module)
    assert text.count(before) == 1, f"{before!r} is in {module.__name__} {text.count(before)} times"
    changed: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(text.replace(before, after), str(module.__file__), "exec"), changed)
    others = dict(_functions(module.__name__, changed))
    found = [(one, others[name]) for name, one in _functions(module.__name__, vars(module)) if name in others]
    different = [(one, other) for one, other in found if one.__code__ != other.__code__]
    assert different, f"{before!r} changes no function of {module.__name__}"
    for one, other in different:
        monkeypatch.setattr(one, "__code__", other.__code__)


def _functions(module: str, namespace: Any, prefix: str = "") -> Iterator[tuple[str, FunctionType]]:
    for name, value in list(namespace.items()):
        value = value.fget if isinstance(value, property) else value
        if isinstance(value, FunctionType) and value.__module__ == module:
            yield prefix + name, value
        elif isinstance(value, type) and value.__module__ == module and not prefix:
            yield from _functions(module, vars(value), f"{name}.")
