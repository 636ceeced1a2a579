"""Turns every error of a handler into a problem document (RFC 9457). No other module of the origin does."""

import json
import logging
from http import HTTPStatus
from typing import Any

import falcon

from regions.errors import PROBLEM_JSON, BadRequest, NotFound, Problem

log = logging.getLogger(__name__)


def install(app: falcon.App[falcon.Request, falcon.Response]) -> None:
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(falcon.HTTPError, _falcon_error)
    app.add_error_handler(Problem, _problem)


def of_item(error: Exception, path: str) -> dict[str, Any]:
    """The document for an error of one item of a request, whose other items are answered. Logs it as for a request."""
    return _logged(error, path) if isinstance(error, Problem) else _internal(error, path)


def _respond(response: falcon.Response, document: dict[str, Any]) -> None:
    response.status = document["status"]
    response.content_type = PROBLEM_JSON
    response.text = json.dumps(document)


def _problem(request: falcon.Request, response: falcon.Response, problem: Problem, params: object) -> None:
    if problem.retry_after_s is not None:
        response.set_header("Retry-After", str(problem.retry_after_s))
    _respond(response, _logged(problem, request.path))


def _falcon_error(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, params: object) -> None:
    """An error that Falcon raises. Except for 400 and 404 its type is `about:blank` (RFC 9457 section 4.2.1)."""
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.description or phrase
    document = {"type": "about:blank", "title": phrase, "status": error.status_code, "detail": detail}
    if error.status_code == 404:
        document = NotFound(f"nothing is served at {request.path[:200]}").document()
    elif error.status_code == 400:
        document = BadRequest(detail).document()
    response.set_headers(error.headers or {})
    _respond(response, document)


def _unexpected(request: falcon.Request, response: falcon.Response, error: Exception, params: object) -> None:
    _respond(response, _internal(error, request.path))


def _logged(problem: Problem, path: str) -> dict[str, Any]:
    if problem.status >= 500:
        log.error("request failed", extra={"path": path, "problem": problem.slug, "detail": problem.detail})
    return problem.document()


def _internal(error: Exception, path: str) -> dict[str, Any]:
    log.error("unexpected error in a handler", exc_info=error, extra={"path": path})
    return Problem("an internal error; it has been logged").document()
