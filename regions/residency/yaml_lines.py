"""Reads a YAML file of ours with the line of everything in it, and notes every mistake instead of the first alone.

YAML has ways to say things that people do not expect: a bare `NO` is `false`, a date is a number of seconds, an alias
stands for text elsewhere. So a scalar is read as the text that stands there, and aliases and merge keys are refused.

Pure: text in, nodes and values out.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import TypeVar

import yaml

from regions.residency.diagnostics import Diagnostic, NotUnderstood, Severity

MAX_FILE_BYTES = 256 * 1024
DAY_MS = 86_400_000

_LONGEST_LIST = 20
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile("[1-9][0-9]{0,4}")

Part = TypeVar("Part")
Read = TypeVar("Read")


class _NoAliases(yaml.SafeLoader):
    """An alias would give two rules the same line, and a short text a huge content."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not read here; write it out", mark)
        return super().compose_node(parent, index)


class Reader:
    """Turns the nodes of one file into values. `noted` are the mistakes so far.

    Its methods raise NotUnderstood for what can't be read at all.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self.noted: list[Diagnostic] = []

    def root(self, text: str) -> yaml.Node:
        if len(text.encode(errors="replace")) > MAX_FILE_BYTES:
            raise self._error(self._file, f"the file has more than {MAX_FILE_BYTES // 1024} KiB")
        try:
            root = yaml.compose(text, Loader=_NoAliases)
        except yaml.MarkedYAMLError as error:
            line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
            raise self._error(f"{self._file}{line}", f"not YAML: {error.problem or error.context}") from error
        except (yaml.YAMLError, RecursionError) as error:
            raise self._error(self._file, f"not YAML: {error}") from error
        if root is None:
            raise self._error(self._file, "the file is empty")
        return root

    def where(self, node: yaml.Node) -> str:
        return f"{self._file}:{node.start_mark.line + 1}"

    def error(self, node: yaml.Node, message: str) -> NotUnderstood:
        return self._error(self.where(node), message)

    def note(self, node: yaml.Node, message: str) -> None:
        self.noted.append(self.error(node, message).diagnostic)

    def each(self, parts: Iterable[Part], read: Callable[[Part], Read]) -> list[Read]:
        """What `read` makes of each part. One that it can't read is noted and left out."""
        values = []
        for part in parts:
            try:
                values.append(read(part))
            except NotUnderstood as error:
                self.noted.append(error.diagnostic)
        return values

    def mapping(self, node: yaml.Node, needed: set[str] | None, allowed: set[str]) -> dict[str, yaml.Node]:
        """The node's entries by key; without those that are noted as unknown. With `needed` None, any key is known."""
        if not isinstance(node, yaml.MappingNode) or not node.value:
            raise self.error(node, "expected `key: value` lines here")
        entries: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self.scalar(key_node)
            if key in entries:
                self.note(key_node, f"{key} appears twice")
            elif needed is not None and key not in needed | allowed:
                self.note(key_node, f"{key} is unknown here; known: {', '.join(sorted(needed | allowed))}")
            else:
                entries[key] = value
        if missing := (needed or set()) - set(entries):
            raise self.error(node, f"{', '.join(sorted(missing))} is missing")
        return entries

    def scalar(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            raise self.error(node, "expected a single word or sentence here")
        return str(node.value)

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.error(node, "expected a list here")
        return list(node.value)

    def words(self, node: yaml.Node) -> list[str]:
        return [self.scalar(item) for item in self.items(node)]

    def one_of(self, node: yaml.Node, known: Iterable[str], what: str) -> str:
        word, choices = self.scalar(node), list(known)
        if word not in choices:
            listed = f"; known: {', '.join(choices)}" if len(choices) <= _LONGEST_LIST else ""
            raise self.error(node, f"{word} is not {what}{listed}")
        return word

    def one_or_more(self, node: yaml.Node) -> list[yaml.Node]:
        """The node, or the nodes of a list."""
        return self.items(node) if isinstance(node, yaml.SequenceNode) else [node]

    def number(self, node: yaml.Node) -> int:
        """From 1 to 99,999."""
        if not _NUMBER.fullmatch(self.scalar(node)):
            raise self.error(node, f"{self.scalar(node)} is not a whole number from 1 on")
        return int(self.scalar(node))

    def day_ms(self, node: yaml.Node) -> int:
        """The beginning (UTC) of a day such as `2027-12-31`, as Unix time."""
        written = self.scalar(node)
        try:
            if not _DATE.fullmatch(written):
                raise ValueError
            return (date.fromisoformat(written).toordinal() - _EPOCH_DAY) * DAY_MS
        except ValueError:
            raise self.error(node, f"{written} is not a date; write it like 2027-12-31") from None

    @staticmethod
    def _error(where: str, message: str) -> NotUnderstood:
        return NotUnderstood(Diagnostic(Severity.ERROR, where, message))
