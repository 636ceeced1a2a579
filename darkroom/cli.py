"""The `darkroom` command: one table of subcommands, each with the module that implements it.

A module is imported only when its command runs: in `darkroom run`, each process must import its own libraries first
(gevent patches the standard library before anything else is imported), and the client's commands must work where the
libraries of the others are not installed.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.command_error import CommandError
from darkroom.command_line import DATA, day_ms, reason
from darkroom.installation import require_service

_EXAMPLES = """\
examples:
  darkroom up                                      start three regions and four edges on this machine
  darkroom demo                                    the same, with people, photos and a report
  darkroom signup --name Ana --country PT          create a user; the country decides where photos are stored
  darkroom signin ana@eu-west                      sign in on this machine
  darkroom upload harbour.jpg --caption "Evening"  upload a photo and wait until it is ready
  darkroom --as bob feed                           what Bob sees
  darkroom where p_08aXk2LmQ9z                     where every byte of a photo is stored, and the rule that allows it
  darkroom policy check policy.yaml                find mistakes in a residency policy before it is signed
  darkroom doctor --topology production.toml       check a production system, and explain how to fix each problem
"""


@dataclass(frozen=True, slots=True)
class Argument:
    flags: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand, in two words if it belongs to a group. `function` is `module:name`; it takes the parsed options
    and returns the exit code.

    Of a name of two words, the first is that of a group.

    `needs_service` means that it can't run without the extra `service`.
    """

    name: str
    help: str
    function: str
    arguments: tuple[Argument, ...] = ()
    needs_service: bool = False


def _argument(*flags: str, **settings: Any) -> Argument:
    return Argument(flags, settings)


_EDGE = _argument(
    "--edge", metavar="NAME|URL", help="the edge to connect to (default: that of the sign-up, or the first one)"
)
_PASSPHRASE_FILE = _argument(
    "--passphrase-file", type=Path, metavar="FILE", help="its first line is the passphrase (default: asked for)"
)
_REPLACE = _argument("--replace", action="store_true", help="forget another session that has this name here")
_PORT = _argument(
    "--port", type=int, default=8600, help="the web page's port, the first of ten (default: 8600; 0: any free ports)"
)
_SERVERS = _argument(
    "--servers",
    nargs="?",
    type=Path,
    metavar="FILE",
    const=Path(".servers/running.json"),
    help="use the real servers that `make servers` runs (it writes FILE) instead of embedded stores",
)
_TOPOLOGY = _argument(
    "--topology", type=Path, metavar="FILE", help="the topology file (default: topology.toml in the data folder)"
)
_PLACES = _argument(
    "--topology",
    type=Path,
    metavar="FILE",
    help="where the places are from (default: topology.toml in the data folder, else that of `darkroom up`)",
)
_REGION = _argument("region", metavar="REGION")
_AT_REGION = _argument("--region", metavar="REGION", help="the region to ask or to tell (default: the first)")
_DRAFT = (
    _argument("--because", type=reason, metavar="TEXT", help="why; it stays in the history"),
    _argument("--places", action="store_true", help="take places and keys from the topology and the secrets here"),
    _argument("--signers", type=Path, metavar="FILE", help="who signs from the next statement on (default: as before)"),
    _argument("--operators", type=Path, metavar="FILE", help="who may act by hand, with roles and keys (as before)"),
    _argument("--lease", type=int, metavar="SECONDS", help="how long a region may go on alone (default: as before)"),
)
_BEFORE = _argument("--before", metavar="PHOTO", help="show photos older than this one")
_LIMIT = _argument("--limit", type=int, default=20, help="how many to show (default: 20)")

GROUPS = {
    "policy": "for operators and the compliance team: check and test a policy, sign it, and put it in force",
    "lanes": "for operators: the lanes, which copy from one region to another",
}
"""The groups of commands, each with its help."""

COMMANDS = (
    Command(
        "up",
        "start the whole system on this machine",
        "darkroom.local.launcher:command",
        (_PORT, _SERVERS),
        needs_service=True,
    ),
    Command(
        "demo",
        "start the system, upload photos as two users, and report where every byte is stored",
        "darkroom.demo.demo:command",
        (
            _argument("--photos", type=Path, metavar="FOLDER", help="photos to upload (default: generated photos)"),
            _argument("--once", action="store_true", help="exit after the report, with 1 if a check failed"),
            _PORT,
        ),
        needs_service=True,
    ),
    Command(
        "signup",
        "sign up, and act as that user from now on",
        "darkroom.client.account_commands:signup",
        (
            _argument("--name", required=True),
            _argument("--country", required=True, metavar="XX", help="two letters (ISO 3166-1), such as PT"),
            _argument("--handle", metavar="HANDLE", help="by which you sign in (default: made from the name)"),
            _PASSPHRASE_FILE,
            _REPLACE,
            _EDGE,
        ),
    ),
    Command(
        "signin",
        "sign in, and act as that user from now on",
        "darkroom.client.account_commands:signin",
        (
            _argument("handle", metavar="HANDLE", help="with its region, such as ana@eu-west"),
            _argument("--recovery-code", metavar="CODE", help="set a new passphrase by one of your recovery codes"),
            _PASSPHRASE_FILE,
            _REPLACE,
            _EDGE,
        ),
    ),
    Command(
        "sessions",
        "show where you are signed in, and end sessions",
        "darkroom.client.account_commands:sessions",
        (
            _argument("--end", metavar="SESSION", help="end this one"),
            _argument("--end-others", action="store_true", help="end all but this one"),
        ),
    ),
    Command("signout", "end this session, and forget it here", "darkroom.client.account_commands:signout"),
    Command(
        "upload",
        "upload photos",
        "darkroom.client.commands:upload",
        (
            _argument("files", nargs="+", type=Path, metavar="FILE", help="a photo, or a folder of photos"),
            _argument("--caption"),
            _argument("--resume", metavar="ID", help="continue an interrupted upload"),
            _argument("--no-wait", action="store_true", help="do not wait until the photos are ready"),
        ),
    ),
    Command("feed", "show photos of the people you follow", "darkroom.client.commands:feed", (_BEFORE, _LIMIT)),
    Command(
        "photo",
        "show one photo, and the URLs of its images",
        "darkroom.client.commands:photo",
        (_argument("photo", metavar="ID"), _EDGE),
    ),
    Command("follow", "follow a user", "darkroom.client.commands:follow", (_argument("author", metavar="ID"),)),
    Command(
        "recover",
        "for operators: issue a recovery code to a user who can't sign in any more",
        "darkroom.operate.recover:command",
        (
            _argument("user", metavar="USER", help="their handle, like ana@eu-west, or their id"),
            _argument("--handle", metavar="HANDLE", help="for a user of version 0.2, who has none"),
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "where",
        "for operators: show where every byte and record of a photo is stored, and the rule that allows it",
        "darkroom.operate.where:command",
        (_argument("photo", metavar="PHOTO"),),
        needs_service=True,
    ),
    Command(
        "fingerprint",
        "for operators: print the lines by which the known-bad list recognises pictures",
        "darkroom.operate.fingerprint:command",
        (_argument("files", nargs="+", type=Path, metavar="FILE", help="a picture, as somebody uploaded it"),),
        needs_service=True,
    ),
    Command(
        "known-bad",
        "for operators: replace the list of pictures that may not be shown, or say which list each region has",
        "darkroom.operate.known_bad:command",
        (
            _argument(
                "action",
                choices=("set", "get", "show"),
                help="replace the list by that in FILE, print it, or count what each region has",
            ),
            _argument("file", nargs="?", type=Path, metavar="FILE", help="lines as `darkroom fingerprint` prints them"),
            _argument("--region", metavar="REGION", help="only this region (default: each of the topology)"),
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "policy check",
        "find every mistake in a residency policy, each with its line; exit 1 on an error",
        "darkroom.operate.policy_file:check_command",
        (
            _argument("file", type=Path, metavar="FILE", help="the policy"),
            _PLACES,
            _argument("--json", action="store_true", help="for programs, such as a continuous integration"),
        ),
        needs_service=True,
    ),
    Command(
        "policy test",
        "compare a residency policy with a table of expected answers; exit 1 if one differs",
        "darkroom.operate.policy_file:test_command",
        (
            _argument("table", type=Path, metavar="TABLE", help="the expectations, such as policy-expectations.yaml"),
            _argument("--policy", type=Path, metavar="FILE", help="the policy (default: policy.yaml beside the table)"),
            _PLACES,
        ),
        needs_service=True,
    ),
    Command(
        "prepare",
        "for operators: prepare every region's stores and keys for their first use",
        "darkroom.operate.prepare:command",
        (
            _TOPOLOGY,
            _argument(
                "--replace",
                action="append",
                default=[],
                metavar="REGION/PORT",
                help="create an empty store in place of one that is lost for good, such as eu-west/objects",
            ),
        ),
        needs_service=True,
    ),
    Command(
        "policy new-key",
        "for the compliance team: make a key, of which a statement needs several",
        "darkroom.operate.policy_signing:new_key",
        (_argument("file", type=Path, metavar="FILE", help="where your key is to lie, such as officer-2.pem"),),
        needs_service=True,
    ),
    Command(
        "policy plan",
        "what a policy would change: photos and bytes to be copied, erased, denied, by class and place",
        "darkroom.operate.policy_plan:command",
        (
            _argument("file", type=Path, metavar="FILE", help="a policy"),
            _argument("--json", action="store_true", help="for programs"),
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "policy sign",
        "for the compliance team: make a statement of a policy file, or add a signature to a statement",
        "darkroom.operate.policy_signing:sign",
        (
            _argument("file", type=Path, metavar="FILE", help="a policy, or a statement that others have signed"),
            _argument("--key", type=Path, required=True, metavar="FILE", help="your private key"),
            _argument("--out", type=Path, metavar="FILE", help="the statement (default: FILE with .statement)"),
            *_DRAFT,
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "policy apply",
        "publish a signed statement in one region, from where it spreads; or a policy file, on one machine",
        "darkroom.operate.policy_signing:apply",
        (_argument("file", type=Path, metavar="FILE"), *_DRAFT, _AT_REGION, _TOPOLOGY),
        needs_service=True,
    ),
    Command(
        "policy rollback",
        "publish the policy of an earlier statement again, under a new serial",
        "darkroom.operate.policy_signing:rollback",
        (_argument("statement", metavar="SERIAL|HASH"), *_DRAFT, _AT_REGION, _TOPOLOGY),
        needs_service=True,
    ),
    Command(
        "policy show",
        "print the policy of the newest statement, or of an earlier one",
        "darkroom.operate.policy_reports:show",
        (
            _argument("statement", nargs="?", metavar="SERIAL|HASH"),
            _argument("--json", action="store_true", help="the whole statement"),
            _AT_REGION,
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "policy status",
        "which statement each region holds, and for how long it may go on alone; exit 1 until all are one",
        "darkroom.operate.policy_reports:status",
        (_argument("--json", action="store_true", help="for programs"), _TOPOLOGY),
        needs_service=True,
    ),
    Command(
        "policy history",
        "every statement there was, who signed it, and why",
        "darkroom.operate.policy_reports:history",
        (_AT_REGION, _TOPOLOGY),
        needs_service=True,
    ),
    Command(
        "policy explain",
        "what may be done with a photo at each place, and the rule that says so",
        "darkroom.operate.policy_reports:explain",
        (
            _argument("photo", metavar="PHOTO"),
            _argument("--at", metavar="PLACE", help="only this region or edge, with the lines of the policy"),
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "policy decisions",
        "what each region has decided about a photo or a person, when, and by which rule: the audit log",
        "darkroom.operate.policy_decisions:command",
        (
            _argument("about", metavar="ID", help="of a photo or a user; or, in quotes, a class and a region"),
            _argument("--region", metavar="REGION", help="only this region's log (default: that of each)"),
            _argument("--limit", type=int, default=50, metavar="N", help="the newest so many of each (default: 50)"),
            _argument("--json", action="store_true", help="for programs"),
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "processing",
        "for operators: what waits for a region's processors, for how long, and how many workers that takes",
        "darkroom.operate.processing:command",
        (
            _REGION,
            _TOPOLOGY,
            _argument("--watch", action="store_true", help="show it again every two seconds, until Ctrl-C"),
            _argument("--json", action="store_true", help="for programs, such as an autoscaler"),
        ),
        needs_service=True,
    ),
    Command(
        "reprocess",
        "for operators: process a region's photos again, by the current recipe, when nothing fresh waits",
        "darkroom.operate.reprocess:command",
        (
            _REGION,
            _TOPOLOGY,
            _argument("--photo", nargs="+", metavar="ID", help="only these photos (default: all)"),
            _argument("--since", type=day_ms, metavar="DATE", help="only photos from this day or time on (UTC)"),
            _argument("--until", type=day_ms, metavar="DATE", help="only photos before this day or time (UTC)"),
            _argument("--failed", action="store_true", help="also those that have failed"),
            _argument("--restart", action="store_true", help="begin anew instead of going on where the last run was"),
        ),
        needs_service=True,
    ),
    Command(
        "lanes show",
        "for operators: how far lanes are behind, what they do, and what would be lost with their home",
        "darkroom.operate.lanes:command",
        (
            _argument("--region", metavar="REGION", help="only lanes from this region (default: from each)"),
            _argument("--live", action="store_true", help="show it again every second, until Ctrl-C"),
            _argument("--json", action="store_true", help="for programs"),
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "lanes set",
        "for operators: pause a lane, or say how many photos and bytes it copies at once",
        "darkroom.operate.set_lane:command",
        (
            _argument("destination", metavar="DESTINATION", help="the region that the lane leads to"),
            _argument("--region", metavar="REGION", help="the region that it leads from, if several have a lane there"),
            _argument("--pause", action="store_true", help="begin no copy more"),
            _argument("--resume", action="store_true", help="go on after a pause"),
            _argument("--bytes-per-s", type=int, metavar="N", help="at most so many in all (0: no limit)"),
            _argument("--width", type=int, metavar="N", help="so many photos at once, in all replicators together"),
            _argument("--backfill-width", type=int, metavar="N", help="so many of those that were processed again"),
            _argument(
                "--because", type=reason, required=True, metavar="TEXT", help="why; it stays in the region's acts"
            ),
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "lanes retry",
        "for operators: what lanes gave up after a week becomes events again, which they try at once",
        "darkroom.operate.retry_lanes:command",
        (
            _argument("--region", metavar="REGION", help="only lanes from this region (default: from each)"),
            _argument("--to", metavar="REGION", help="only lanes to this region (default: to each)"),
            _argument("--dry-run", action="store_true", help="only say what there is, by lane and cause"),
            _TOPOLOGY,
        ),
        needs_service=True,
    ),
    Command(
        "acts",
        "for operators: what was done by hand in a region, when and by whom; exit 1 if a record is forged",
        "darkroom.operate.operators:command",
        (_REGION, _TOPOLOGY, _LIMIT),
        needs_service=True,
    ),
    Command(
        "doctor",
        "for operators: check every store, origin and edge, and explain how to fix each problem; exit 1 on a failure",
        "darkroom.operate.doctor:command",
        (_TOPOLOGY,),
        needs_service=True,
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 for success, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C."""
    try:
        return _main(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        # While modules are still being imported; later `error_messages` says it.
        sys.stderr.write("Stopped.\n")
        return 130


def _main(arguments: list[str]) -> int:
    # Whatever a command stores (databases, objects, caches, logs) is for its own user only.
    os.umask(0o077)
    if arguments[:1] == ["run"]:
        return _run_process(arguments[1:])
    try:
        options = _parsed(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return int(_function("darkroom.error_messages:guarded")(lambda: _run_command(options)))


def _run_process(arguments: Sequence[str]) -> int:
    """`darkroom run`. What explains errors is imported only when there is one, because it loads ssl."""
    try:
        return int(_function("darkroom.processes.run:main")(arguments))
    except CommandError as error:
        return int(_function("darkroom.error_messages:report")(error))


def _run_command(options: argparse.Namespace) -> int:
    if options.needs_service:
        require_service(options.command)
    return int(_function(options.function)(options))


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Raises SystemExit for help and for wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "run":
        parser.error("nothing stands before `run`: darkroom run KIND NAME --topology FILE")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="darkroom",
        description="A multi-region photo service that can prove where every byte is stored.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=DATA,
        metavar="FOLDER",
        help="the system's data folder (default: var)",
    )
    parser.add_argument(
        "--as", dest="profile", metavar="NAME", help="the user to act as (default: the latest to sign up)"
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parents = {"": subparsers}
    for command in COMMANDS:
        group, _, name = command.name.rpartition(" ")
        if group not in parents:
            parents[group] = _group(subparsers, group, GROUPS[group])
        _add(parents[group], name, command)
    # It has a parser of its own, since an edge must not import what the others need. This one is for the list.
    run = subparsers.add_parser(
        "run", help="for operators: run one process of a region, or one edge; `darkroom run --help` lists the kinds"
    )
    run.set_defaults(command="run")
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _group(subparsers: Any, name: str, help_text: str) -> Any:
    """What the commands of a group are added to."""
    parser = subparsers.add_parser(name, help=help_text, description=f"{help_text}.".capitalize())
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _add(subparsers: Any, name: str, command: Command) -> None:
    """Adds a subcommand. It accepts the general options as well, because people type them after the command's name."""
    parser = subparsers.add_parser(name, help=command.help, description=f"{command.help}.".capitalize())
    parser.set_defaults(command=command.name, function=command.function, needs_service=command.needs_service)
    for argument in command.arguments:
        parser.add_argument(*argument.flags, **argument.settings)
    parser.add_argument("--data", type=Path, default=argparse.SUPPRESS, metavar="FOLDER", help="the data folder")
    parser.add_argument("--as", dest="profile", metavar="NAME", default=argparse.SUPPRESS, help="the user to act as")


def _function(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
