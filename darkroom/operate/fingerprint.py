"""`darkroom fingerprint`: the lines by which the known-bad list recognises a picture.

They are made as the photo job makes them, and can be put into the list as they are.
"""

from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from rich.console import Console

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.error_messages import guarded_file
from processing import fingerprints
from processing.formats.facts import InvalidImage
from processing.imaging.header import read_header
from processing.imaging.master import decode
from processing.imaging.variants import grey, scale

_OTHER_FILE = "Name a picture that can be read: the file as it was uploaded, or a variant of it."


def command(options: Namespace) -> int:
    """Runs `darkroom fingerprint`."""
    return main(options.files)


def main(files: Iterable[Path]) -> int:
    """Prints the lines of each file. The exit code is 1 if one of them is not a picture that can be read."""
    return max(guarded_file(terminal.plain(str(file)), partial(_print_lines, file)) for file in files)


def _print_lines(file: Path) -> int:
    console = Console()
    for line in lines(terminal.plain(file.name), file.read_bytes()):
        console.print(terminal.text(line), soft_wrap=True)
    return 0


def lines(name: str, data: bytes) -> list[str]:
    """Two lines of the known-bad list; the second is a comment if there is no perceptual hash. Raises CommandError."""
    try:
        levels = grey(scale(decode(read_header(data))))
    except InvalidImage as error:
        raise CommandError(f"{error}.", _OTHER_FILE) from error
    by_bytes = f"sha256 {fingerprints.sha256(data)}  # {name}"
    if perceptual_hash := fingerprints.perceptual_hash(levels):
        return [by_bytes, f"phash  {perceptual_hash}  # {name}"]
    too_little = f"{fingerprints.detail(levels)} of the {fingerprints.MIN_DETAIL} bits of detail that it takes"
    return [by_bytes, f"# {name} can't be recognised by what it looks like: it has {too_little}"]
