"""In which region a copy of a person's records lies. Pure."""

from regions.errors import Unavailable
from regions.residency.decide import Subject
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.residency.statement import Kind


def second_region(rules: Rules, subject: Subject, action: Action, here: str) -> str | None:
    """The first region of the newest statement, other than the one where the record is, in which it may rest.

    None if there is none. Raises Unavailable if nobody can tell at the moment, since another would then be the first.
    """
    places = rules.newest.places.values() if rules.newest else ()
    for place in places:
        if place.kind != Kind.REGION or place.name == here:
            continue
        decision = rules.decide(subject, action, place.name)
        if decision.passing:
            raise Unavailable(decision.because)
        if decision.allowed:
            return place.name
    return None
