"""Every error a command can meet, in words: what is wrong, and what to do next."""

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from darkroom.client.client import PhotoRefused, UploadInterrupted
from darkroom.client.http import ClientError, Unreachable
from darkroom.command_error import CommandError
from regions.errors import PolicyError, Problem, TopologyError

FAILED = 1


_EXPECTED = (CommandError, ClientError, Problem, PolicyError, TopologyError, TimeoutError, OSError, KeyboardInterrupt)
_ADVICE = {
    400: "Look at what the command takes with --help.",
    401: "The token is not good here. Sign up again with `darkroom signup`.",
    403: "Only its owner may do that. Choose another profile with --as NAME.",
    404: "Check the id; `darkroom feed` lists those you can see.",
    409: "Look at its present state with `darkroom photo ID`.",
    413: "Choose a smaller file.",
    422: "Choose another file: JPEG, PNG, WebP, HEIC or AVIF of at most 100 MB.",
    451: "The residency policy forbids it; `darkroom where PHOTO` shows the rules.",
}


def guarded(command: Callable[[], int]) -> int:
    """The command's exit code; for an expected error its words on standard error, and the code it deserves."""
    try:
        return command()
    except _EXPECTED as error:
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
            return str(error), f"Go on where it stopped: darkroom upload --resume {error.upload_id} FILE"
        case Unreachable():
            return str(error), "Is the system running? Run `darkroom up` first, and leave it running."
        case PhotoRefused():
            return str(error), _ADVICE[422]
        case ClientError():
            return str(error), _ADVICE.get(error.status, "Try again in a moment.")
        case Problem():
            return f"{error.title}: {error.detail}", _ADVICE.get(error.status, "Try again in a moment.")
        case TopologyError():
            return str(error), "Run `darkroom up` first, or name its folder with --data."
        case TimeoutError():
            return str(error), "Look again later with `darkroom photo ID`."
        case KeyboardInterrupt():
            return "Stopped.", ""
        case OSError():
            return f"{error.filename or 'The file'} can't be read: {error.strerror or error}.", "Check the path."
    return str(error), ""
