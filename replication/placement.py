"""What a lane offers of a photo by the decisions of its home, and what it records of the answer.

Pure: no clock, no store. Fails closed, as the rules do: what nothing was decided about is not offered.
"""

from collections.abc import Iterator, Mapping

from regions.border.offers import RAW_NAME, AnsweredObject, ObjectState, Offer, OfferedObject, Reference
from regions.errors import Unprocessable
from regions.records import Photo, Replica
from regions.residency.decide import Decision, subject_of
from regions.residency.policy import Action

AT_REST = (Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA)

Decisions = Mapping[Action, Decision]
"""About one photo at one place."""


def offer_of(photo: Photo, decisions: Decisions) -> Offer:
    """What may be stored there. The variants come first, because viewers wait for those.

    Raises Unprocessable if the raw may be stored there but the photo has no recorded SHA-256 to verify a copy by.
    """
    return Offer(
        photo.photo_id,
        subject_of(photo),
        tuple(_objects(photo, decisions)),
        photo if _allows(decisions, Action.REST_METADATA) else None,
        Reference(photo.owner_id, photo.created_at_ms) if _allows(decisions, Action.REFERENCE) else None,
    )


def replica_of(
    offer: Offer, decisions: Decisions, answered: Mapping[str, AnsweredObject], place: str, at_ms: int
) -> Replica | None:
    """The record of what the place has, and by which rules of the home; None if it may have neither raw nor variants.

    `answered` is by variant, after the objects were sent.
    """
    allowing = [decisions[action] for action in AT_REST[:2] if _allows(decisions, action)]
    if not allowing:
        return None
    states = {variant: one.state for variant, one in answered.items()}
    raw, variants = states.pop(RAW_NAME, ObjectState.DENIED), [*states.values()]
    return Replica(
        photo_id=offer.photo_id,
        region=place,
        raw=raw is ObjectState.STORED,
        variants=_allows(decisions, Action.REST_VARIANTS) and all(one is ObjectState.STORED for one in variants),
        rule=", ".join(dict.fromkeys(decision.rule for decision in allowing)),
        policy_version=allowing[0].policy_version,
        at_ms=at_ms,
        missing=[raw, *variants].count(ObjectState.MISSING),
    )


def _objects(photo: Photo, decisions: Decisions) -> Iterator[OfferedObject]:
    if _allows(decisions, Action.REST_VARIANTS):
        for variant in photo.variants:
            yield OfferedObject(variant.name, variant.sha256, variant.size_bytes)
    if _allows(decisions, Action.REST_RAW):
        if photo.sha256 is None:
            raise Unprocessable(f"photo {photo.photo_id} has no recorded SHA-256, so no copy of it could be verified")
        yield OfferedObject(RAW_NAME, photo.sha256, photo.size_bytes, photo.content_type or "")


def _allows(decisions: Decisions, action: Action) -> bool:
    return action in decisions and decisions[action].allowed
