"""The text of every error that a command can meet: what is wrong, and what to do next."""

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from darkroom.client.client import PhotoRejected, UploadInterrupted
from darkroom.client.http import ClientError, Unreachable
from darkroom.command_error import CommandError
from regions.errors import ClientMissing, PolicyError, Problem, TopologyError
from regions.image_limits import CONTENT_TYPES, MAX_RAW_BYTES

FAILED = 1

_FORMATS = ", ".join(content_type.removeprefix("image/").upper() for content_type in CONTENT_TYPES)
_EXPECTED = (CommandError, ClientError, Problem, PolicyError, TopologyError, TimeoutError, OSError, KeyboardInterrupt)
_ADVICE = {
    400: "See the command's arguments with --help.",
    401: "The token is not valid here. Sign up again with `darkroom signup`.",
    403: "Only the owner may do that. Choose another profile with --as NAME.",
    404: "Check the id; `darkroom feed` lists the photos you can see.",
    409: "Check its current state with `darkroom photo ID`.",
    413: "Choose a smaller file.",
    422: f"Choose another file of at most {MAX_RAW_BYTES // 2**20} MB in one of these formats: {_FORMATS}.",
    451: "The residency policy forbids it; `darkroom where PHOTO` shows the rules.",
}


def guarded(command: Callable[[], int]) -> int:
    """Runs the command and returns its exit code. Explains an expected error on standard error, without a traceback."""
    try:
        return command()
    except _EXPECTED as error:
        return report(error)


def report(error: BaseException) -> int:
    """Prints what is wrong, and what to do next, on standard error. Returns the exit code."""
    message, advice = explain(error)
    console = Console(stderr=True)
    console.print(Text.assemble(("✗ ", "bold red"), message))
    if advice:
        console.print(Text.assemble(("→ ", "cyan"), advice))
    return error.exit_code if isinstance(error, CommandError) else FAILED


def explain(error: BaseException) -> tuple[str, str]:
    """What is wrong, and what to do next."""
    match error:
        case CommandError():
            return error.message, error.advice
        case UploadInterrupted():
            return str(error), f"Continue where it stopped: darkroom upload --resume {error.upload_id} FILE"
        case Unreachable():
            return str(error), "Is the system running? Start it with `darkroom up`, and keep it running."
        case PhotoRejected():
            return str(error), _ADVICE[422]
        case ClientError():
            return str(error), _ADVICE.get(error.status, "Try again in a moment.")
        case Problem():
            return f"{error.title}: {error.detail}", _ADVICE.get(error.status, "Try again in a moment.")
        case ClientMissing():
            return f"{error}.", ClientMissing.advice
        case TopologyError():
            return str(error), "Run `darkroom up` first, or name its folder with --data."
        case TimeoutError():
            return str(error), "Check again later with `darkroom photo ID`."
        case KeyboardInterrupt():
            return "Stopped.", ""
        case OSError():
            return f"{error.filename or 'The file'} can't be read: {error.strerror or error}.", "Check the path."
    return str(error), ""
