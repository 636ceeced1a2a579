"""The text of every error that a command can meet: what is wrong, and what to do next."""

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from darkroom.client.client import OtherFile, PhotoRejected, UploadInterrupted
from darkroom.client.http import ClientError, HomeAway, Throttled, Unreachable
from darkroom.command_error import CommandError
from darkroom.terminal import about
from regions.errors import ClientMissing, PolicyError, Problem, StoreMissing, TopologyError, WrongStore
from regions.image_limits import CONTENT_TYPES, MAX_RAW_BYTES

FAILED = 1
INTERRUPTED = 130

_FORMATS = ", ".join(content_type.removeprefix("image/").upper() for content_type in CONTENT_TYPES)
_EXPECTED = (CommandError, ClientError, Problem, PolicyError, TopologyError, TimeoutError, OSError)
_OTHER_FILE = f"Choose another file of at most {MAX_RAW_BYTES // 2**20} MB in one of these formats: {_FORMATS}."
_IS_IT_UP = "Is the system running? Start it with `darkroom up`, and keep it running."
_NOTHING_LOST = "Nothing is lost. Give the same command again in a minute."
_ADVICE = {
    400: "See the command's arguments with --help.",
    401: "Check the handle and the passphrase, or sign in again with `darkroom signin HANDLE`.",
    403: "Only the owner may do that. Choose another profile with --as NAME.",
    404: "Check the id: `darkroom feed` lists those of photos and of their owners.",
    409: "Check its current state with `darkroom photo ID`.",
    413: "Choose a smaller file.",
    451: "The residency policy forbids it. An operator sees the rule with `darkroom policy explain PHOTO --at EDGE`.",
}


def guarded(command: Callable[[], int]) -> int:
    """Runs the command and returns its exit code. Explains an expected error on standard error, without a traceback.

    Ctrl-C ends it with 130, as a shell reports a program that SIGINT has ended.
    """
    try:
        return command()
    except KeyboardInterrupt as error:
        report(error)
        return INTERRUPTED
    except _EXPECTED as error:
        return report(error)


def guarded_file(name: str, command: Callable[[], int]) -> int:
    """The same for one file of several: the message names the file. Ctrl-C is not caught: it stops them all."""
    try:
        return command()
    except _EXPECTED as error:
        return report(error, f"{name}: ")


def report(error: BaseException, about: str = "") -> int:
    """Prints what is wrong, and what to do next, on standard error. Returns the exit code."""
    message, advice = explain(error)
    console = Console(stderr=True)
    console.print(Text.assemble(("✗ ", "bold red"), about, message))
    if advice:
        console.print(Text.assemble(("→ ", "cyan"), advice))
    return error.exit_code if isinstance(error, CommandError) else FAILED


def explain(error: BaseException) -> tuple[str, str]:
    """What is wrong, and what to do next."""
    match error:
        case CommandError():
            return error.message, error.advice
        case UploadInterrupted():
            return str(error), f"Give the same command again, or: darkroom upload --resume {error.upload_id} FILE"
        case OtherFile():
            return str(error), "Name the file that the upload was begun with, or upload this one without --resume."
        case Unreachable() | HomeAway():
            return str(error), _IS_IT_UP if error.is_down else _NOTHING_LOST
        case PhotoRejected():
            return str(error), _OTHER_FILE
        case Throttled():
            return str(error), f"Nothing was done. Give the same command again in {about(error.retry_after_s)}."
        case ClientError() if error.is_unanswered:
            return str(error), _NOTHING_LOST
        case ClientError():
            return str(error), _ADVICE.get(error.status, _later(error.status))
        case StoreMissing() | WrongStore():
            return f"{error.detail.capitalize()}.", error.advice
        case Problem():
            return f"{error.title}: {error.detail}", _ADVICE.get(error.status, _later(error.status))
        case ClientMissing():
            return f"{error}.", ClientMissing.advice
        case TopologyError():
            return str(error), "Correct the file, or start a system with `darkroom up`; --data names another system."
        case TimeoutError():
            return str(error), "Check again later with `darkroom photo ID`."
        case KeyboardInterrupt():
            return "Stopped.", ""
        case OSError():
            return f"{error.filename or 'The file'} can't be read: {error.strerror or error}.", "Check the path."
    return str(error), ""


def _later(status: int) -> str:
    return "Try again in a moment." if status >= 500 or status == 429 else ""
