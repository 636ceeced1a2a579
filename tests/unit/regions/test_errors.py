"""Every problem has a status and a document."""

import json

import pytest

from regions import errors
from regions.errors import Misdirected, Problem, ResidencyDenied, SignInFailed, TooManyRequests


def kinds() -> list[type[Problem]]:
    found = vars(errors).values()
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, Problem)]


PLAIN = [kind for kind in kinds() if kind not in (Misdirected, ResidencyDenied, SignInFailed, TooManyRequests)]


@pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)
def test_a_problem_is_a_document(kind):
    """Type, title, status and detail (RFC 9457 section 3.1), as JSON."""
    document = json.loads(json.dumps(kind("what happened").document()))
    assert set(document) == {"type", "title", "status", "detail"}
    assert document["type"].startswith("urn:darkroom:problem:")
    assert document["detail"] == "what happened"
    assert 400 <= document["status"] < 600


def test_every_problem_has_a_type_of_its_own():
    """So that a client can distinguish them."""
    slugs = [kind.slug for kind in kinds()]
    assert len(set(slugs)) == len(slugs)


def test_extension_members_are_in_the_document():
    """Next to the standard ones (RFC 9457 section 3.2)."""
    assert errors.Forbidden("over", expired=True).document()["expired"] is True


def test_a_misdirected_request_gets_the_home_region():
    """As a member, so that an edge can follow it."""
    document = Misdirected("eu-west").document()
    assert (document["status"], document["region"]) == (421, "eu-west")


def test_a_residency_denial_cites_its_rule():
    """By file and line."""
    document = ResidencyDenied("not here", "policy.yaml:24").document()
    assert (document["status"], document["rule"]) == (451, "policy.yaml:24")


def test_a_lost_lease_counts_as_unavailable():
    """Code that handles the one handles the other."""
    assert issubclass(errors.LeaseLost, errors.Unavailable)
    assert errors.LeaseLost("gone").document()["status"] == 503


def test_errors_in_files_are_not_problems_of_a_client():
    """They are for the operator, and never in a response."""
    assert not issubclass(errors.PolicyError, Problem)
    assert not issubclass(errors.TopologyError, Problem)
