"""All errors of ours, in one tree. An error that can reach a client has an HTTP status and a problem document.

Every package raises these. One place in each server turns them into `application/problem+json` (RFC 9457). Pure:
this module uses neither HTTP servers nor stores.
"""

from typing import Any

PROBLEM_JSON = "application/problem+json"
AWAY_STATUSES = frozenset({408, 429, 502, 503, 504})
"""How a server says that it, or what it needs, is away or has too much to do: the same request may succeed later."""


class Problem(Exception):
    """An error that is reported to the client.

    `members` are extension members (RFC 9457 section 3.2). `retry_after_s`, if set, goes into the Retry-After header.
    """

    status = 500
    slug = "internal"
    title = "Something went wrong on our side"
    retry_after_s: int | None = None

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members

    def document(self) -> dict[str, Any]:
        return {
            "type": f"urn:darkroom:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }


class BadRequest(Problem):
    status, slug, title = 400, "bad-request", "The request can't be understood"


class Unauthenticated(Problem):
    status, slug, title = 401, "unauthenticated", "A valid token is needed"


class SignInFailed(Unauthenticated):
    """The same for an unknown handle, a wrong passphrase and a wrong code."""

    slug, title = "sign-in-failed", "This did not sign you in"

    def __init__(self) -> None:
        super().__init__("the handle, the passphrase or the code is wrong")


class Forbidden(Problem):
    status, slug, title = 403, "forbidden", "This is not yours to do"


class NotFound(Problem):
    status, slug, title = 404, "not-found", "This does not exist here"


class MethodNotAllowed(Problem):
    status, slug, title = 405, "method-not-allowed", "This can't be done here"


class Conflict(Problem):
    status, slug, title = 409, "conflict", "That is not possible in the current state"


class Gone(Problem):
    status, slug, title = 410, "gone", "This is over"


class LengthRequired(Problem):
    status, slug, title = 411, "length-required", "Say how long the body is"


class PreconditionFailed(Problem):
    status, slug, title = 412, "precondition-failed", "A condition of the request does not hold"


class TooLarge(Problem):
    status, slug, title = 413, "too-large", "The body is over its limit"


class RangeNotSatisfiable(Problem):
    status, slug, title = 416, "range-not-satisfiable", "These bytes do not exist"


class Misdirected(Problem):
    """Another region is the home of what was requested. The member `region` names it.

    For accounts, `url` is that of the region's shield: the client must go there itself.
    """

    status, slug, title = 421, "misdirected", "Another region is responsible for this"

    def __init__(self, region: str, url: str | None = None) -> None:
        super().__init__(f"the home is region {region}", region=region, **({"url": url} if url else {}))
        self.region = region


class Unprocessable(Problem):
    status, slug, title = 422, "unprocessable", "The request is well formed but can't be carried out"


class TooManyRequests(Problem):
    """Nothing was done. The member `limit` names the limit that has too little left."""

    status, slug, title = 429, "too-many-requests", "This is more than a fair share"

    def __init__(self, detail: str, limit: str, retry_after_s: int) -> None:
        super().__init__(detail, limit=limit)
        self.retry_after_s = retry_after_s


class HeadTooLarge(Problem):
    status, slug, title = 431, "head-too-large", "The request's header is over its limit"


class BadGateway(Problem):
    status, slug, title = 502, "bad-gateway", "Another server gave no usable response"
    retry_after_s = 1


class Unavailable(Problem):
    """A store or another server can't be reached. Trying again later may help."""

    status, slug, title = 503, "unavailable", "Not available for the moment"
    retry_after_s = 1


class StoreMissing(Unavailable):
    """There is no store at the URL, as when a disk is not mounted. `darkroom prepare` alone creates stores."""

    slug = "store-missing"
    advice = (
        "Mount its disk, or correct its URL in the topology. Only if there has never been such a store, run"
        " `darkroom prepare`. If the region is lost, create nothing in its place: name the others with --region;"
        " docs/durability.md says what they have of it."
    )


class WrongStore(Unavailable):
    """The store at the URL is not this region's store."""

    slug = "wrong-store"
    advice = "Correct the store's URL in the topology: each region has stores of its own."


class LeaseLost(Unavailable):
    """The lease on a process number has ended, so this process may make no ids with it."""

    slug = "lease-lost"


class ResidencyDenied(Problem):
    """The residency policy forbids this. The member `rule` cites the rule by file and line."""

    status, slug, title = 451, "residency", "The residency policy does not allow this"

    def __init__(self, detail: str, rule: str) -> None:
        super().__init__(detail, rule=rule)


class LoopDetected(Problem):
    status, slug, title = 508, "loop", "The request came here before"


class PolicyError(Exception):
    """A policy file can't be read, or doesn't fit the topology. The message names the file and the line."""


class StatementError(Exception):
    """A signed statement is broken, is not signed by enough, or fails its check. The message says which."""


class TopologyError(Exception):
    """A topology file, a store's URL or a secret can't be used. The message says what to correct."""


class ClientMissing(TopologyError):
    """A store's URL names a server whose client library is not installed."""

    advice = "Install the clients of the real servers: pip install 'darkroom[stores]'"

    def __init__(self, library: str) -> None:
        super().__init__(f"A store needs the library {library} of the extra `stores`, which is not installed")
