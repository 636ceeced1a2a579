"""The `darkroom` command: a table of commands. What each does stands in the module it names.

Modules are imported when their command runs, since `darkroom run` must let each process choose its own
libraries first (gevent patches before anything else).
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EXAMPLES = """\
examples:
  darkroom up                                      start three regions and four edges on this machine
  darkroom demo                                    the same, with people, photos and a report
  darkroom signup --name Ana --country PT          become somebody; the country decides where your photos live
  darkroom upload harbour.jpg --caption "Evening"  upload a photo and wait until it is ready
  darkroom --as bob feed                           what Bob sees
  darkroom where p_08aXk2LmQ9z                     where every byte of a photo lies, and the rule that allows it
  darkroom doctor --topology production.toml       examine a production system, and say what to do
"""


@dataclass(frozen=True, slots=True)
class Argument:
    flags: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """`function` is `module:name`; it takes the parsed options and returns the exit code."""

    name: str
    help: str
    function: str
    arguments: tuple[Argument, ...] = ()


def _argument(*flags: str, **settings: Any) -> Argument:
    return Argument(flags, settings)


_EDGE = _argument("--edge", metavar="NAME|URL", help="the edge to go through (default: the first there is)")
_PORT = _argument(
    "--port", type=int, default=8600, help="the first of ten ports, the page's (default: 8600; 0: any that are free)"
)
_SERVERS = _argument(
    "--servers",
    nargs="?",
    type=Path,
    metavar="FILE",
    const=Path(".servers/running.json"),
    help="on the real servers that `make servers` runs (it writes FILE), not on embedded stores",
)
_TOPOLOGY = _argument(
    "--topology", type=Path, metavar="FILE", help="the topology (default: topology.toml in the system's folder)"
)
_BEFORE = _argument("--before", metavar="PHOTO", help="begin after this photo, to see older ones")
_LIMIT = _argument("--limit", type=int, default=20, help="how many (default: 20)")

COMMANDS = (
    Command("up", "start the whole system on this machine", "darkroom.local.launcher:command", (_PORT, _SERVERS)),
    Command(
        "demo",
        "start it, with people, photos and a report of where every byte lies",
        "darkroom.demo.demo:command",
        (
            _argument("--photos", type=Path, metavar="FOLDER", help="photos to upload (default: drawn ones)"),
            _argument("--once", action="store_true", help="end after the report; exit 1 where a check failed"),
            _PORT,
        ),
    ),
    Command(
        "signup",
        "sign up, and be that user from now on",
        "darkroom.client.commands:signup",
        (
            _argument("--name", required=True),
            _argument("--country", required=True, metavar="XX", help="two letters (ISO 3166-1), such as PT"),
            _EDGE,
        ),
    ),
    Command(
        "upload",
        "upload photos",
        "darkroom.client.commands:upload",
        (
            _argument("files", nargs="+", type=Path, metavar="FILE"),
            _argument("--caption"),
            _argument("--resume", metavar="ID", help="go on with an upload that was interrupted"),
            _argument("--no-wait", action="store_true", help="do not wait until the photos are ready"),
        ),
    ),
    Command("feed", "photos of the people you follow", "darkroom.client.commands:feed", (_BEFORE, _LIMIT)),
    Command(
        "photo",
        "one photo, and where to get it",
        "darkroom.client.commands:photo",
        (_argument("photo", metavar="ID"), _EDGE),
    ),
    Command("follow", "follow somebody", "darkroom.client.commands:follow", (_argument("author", metavar="ID"),)),
    Command(
        "where",
        "for operators: where every byte of a photo lies, and by which rule",
        "darkroom.operate.where:command",
        (_argument("photo", metavar="PHOTO"),),
    ),
    Command(
        "prepare",
        "for operators: make what every region's stores need before their first use, and publish a policy",
        "darkroom.operate.prepare:command",
        (_TOPOLOGY,),
    ),
    Command(
        "doctor",
        "for operators: examine every store, origin and edge; exit 1 where something fails, and say what to do",
        "darkroom.operate.doctor:command",
        (_TOPOLOGY,),
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 well, 1 failed, 2 not understood."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["run"]:
        return int(_function("darkroom.processes.run:main")(arguments[1:]))
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    function = _function(options.function)
    return int(_function("darkroom.error_messages:guarded")(lambda: function(options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="darkroom",
        description="A photo service in many regions that can prove where every byte lies.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", type=Path, default=Path("var"), metavar="FOLDER", help="the system's folder (default: var)"
    )
    parser.add_argument("--as", dest="profile", metavar="NAME", help="who you are (default: who signed up last)")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        _add(subparsers, command)
    return parser


def _add(subparsers: Any, command: Command) -> None:
    """The general options are taken after the command's name too, where people type them."""
    parser = subparsers.add_parser(command.name, help=command.help, description=f"{command.help}.".capitalize())
    parser.set_defaults(function=command.function)
    for argument in command.arguments:
        parser.add_argument(*argument.flags, **argument.settings)
    parser.add_argument("--data", type=Path, default=argparse.SUPPRESS, metavar="FOLDER", help="the system's folder")
    parser.add_argument("--as", dest="profile", metavar="NAME", default=argparse.SUPPRESS, help="who you are")


def _function(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
