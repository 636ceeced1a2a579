"""Errors become problem documents (RFC 9457) here, and nowhere else."""

import json
import logging

import falcon

from regions.errors import PROBLEM_JSON, BadRequest, NotFound, Problem, Unavailable

log = logging.getLogger(__name__)

_RETRY_AFTER_S = 1


def install(app: falcon.App[falcon.Request, falcon.Response]) -> None:
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(falcon.HTTPError, _falcon_error)
    app.add_error_handler(Problem, _problem)


def _answer(response: falcon.Response, problem: Problem, status: int | None = None) -> None:
    document = problem.document()
    if status is not None:
        document["status"] = status
    response.status = document["status"]
    response.content_type = PROBLEM_JSON
    response.text = json.dumps(document)
    if isinstance(problem, Unavailable):
        response.set_header("Retry-After", str(_RETRY_AFTER_S))


def _problem(request: falcon.Request, response: falcon.Response, problem: Problem, params: object) -> None:
    if problem.status >= 500:
        log.error("refused", extra={"path": request.path, "problem": problem.slug, "detail": problem.detail})
    _answer(response, problem)


def _falcon_error(
    request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, params: object
) -> None:
    detail = error.description or error.title or "the request can't be served"
    if error.status_code == 404:
        return _answer(response, NotFound(f"nothing is served at {request.path}"))
    for name, value in (error.headers or {}).items() if isinstance(error.headers, dict) else ():
        response.set_header(name, value)
    _answer(response, BadRequest(detail), error.status_code)


def _unexpected(request: falcon.Request, response: falcon.Response, error: Exception, params: object) -> None:
    log.error("a handler failed", exc_info=error, extra={"path": request.path})
    _answer(response, Problem("an error of ours; it has been logged"))
