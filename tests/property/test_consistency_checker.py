"""The checker of histories: accepts what a correct system may do, and finds each verb of mistake in it."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders.consistency import check
from tests.builders.consistent_world import ConsistentWorld, home_of
from tests.builders.history import NOT_FOUND, Absence, Completion, Feed, Operation, Verb
from tests.builders.promises import Bounds, Guarantee

BOUNDS = Bounds(elsewhere_s=6, ready_s=10, refused_s=1, repeated_s=0.5, late_s=5)
ANA, CARLA, BOB = "u-0-ana", "u-0-carla", "u-1-bob"
PHOTO, CAPTION = "p-0-first", "the first"
LISTED, OTHER = (PHOTO, ANA, CAPTION), ("p-0-second", ANA, CAPTION)
NAMES = {ANA: "Ana", BOB: "Bob", CARLA: "Carla"}

LOST, SLOW, LATER = "lost", "slow", "later"
"""The answer was lost; it took so long that it may have been sent twice; when all has spread."""

Step = tuple
"""(who, verb, target, value), and LOST, SLOW or LATER."""

READY = [(ANA, Verb.UPLOAD, PHOTO, CAPTION), (ANA, Verb.PHOTO, PHOTO, "ready")]
FOLLOWED = [(BOB, Verb.FOLLOW, ANA, None), *READY]
FOLLOWED_AT_HOME = [(CARLA, Verb.FOLLOW, ANA, None), *READY]
DELETED = (ANA, Verb.DELETE, PHOTO, None)
IN_FEED = (BOB, Verb.FEED, BOB, Feed((LISTED,)))
COMMENTED = [*READY, (BOB, Verb.COMMENT, PHOTO, "how blue")]

MISTAKES: dict[str, tuple[Guarantee, list[Step]]] = {
    "one's own like is not there": (
        Guarantee.READ_YOUR_WRITES,
        [*READY, (BOB, Verb.LIKE, PHOTO, None), (BOB, Verb.LIKES, PHOTO, ())],
    ),
    "one's own like is there after it was taken back": (
        Guarantee.READ_YOUR_WRITES,
        [*READY, (BOB, Verb.LIKE, PHOTO, None), (BOB, Verb.UNLIKE, PHOTO, None), (BOB, Verb.LIKES, PHOTO, (BOB,))],
    ),
    "somebody's acknowledged like is not there for others": (
        Guarantee.LINEARIZABLE,
        [*READY, (BOB, Verb.LIKE, PHOTO, None), (CARLA, Verb.LIKES, PHOTO, ())],
    ),
    "a like is seen, and then not any more": (
        Guarantee.MONOTONIC_READS,
        [*READY, (BOB, Verb.LIKE, PHOTO, None, LOST), (ANA, Verb.LIKES, PHOTO, (BOB,)), (ANA, Verb.LIKES, PHOTO, ())],
    ),
    "a like of somebody who does not like it": (
        Guarantee.WRITTEN,
        [*READY, (CARLA, Verb.LIKES, PHOTO, (BOB,))],
    ),
    "a like counts twice": (
        Guarantee.ONCE,
        [*READY, (BOB, Verb.LIKE, PHOTO, None), (CARLA, Verb.LIKES, PHOTO, (BOB, BOB))],
    ),
    "a comment is lost": (Guarantee.LINEARIZABLE, [*COMMENTED, (ANA, Verb.COMMENTS, PHOTO, ())]),
    "a comment is there twice": (
        Guarantee.ONCE,
        [*READY, (BOB, Verb.COMMENT, PHOTO, "how blue", LOST), (ANA, Verb.COMMENTS, PHOTO, ("how blue", "how blue"))],
    ),
    "a removed comment is back": (
        Guarantee.LINEARIZABLE,
        [*COMMENTED, (ANA, Verb.UNCOMMENT, PHOTO, "how blue"), (BOB, Verb.COMMENTS, PHOTO, ("how blue",))],
    ),
    "a follow is lost": (
        Guarantee.READ_YOUR_WRITES,
        [(BOB, Verb.FOLLOW, ANA, None), (BOB, Verb.FOLLOWING, BOB, ())],
    ),
    "a feed shows whom one does not follow any more": (
        Guarantee.READ_YOUR_WRITES,
        [*FOLLOWED, (BOB, Verb.UNFOLLOW, ANA, None), IN_FEED],
    ),
    "a feed shows whom one never followed": (Guarantee.WRITTEN, [*READY, IN_FEED]),
    "a new name is not seen": (
        Guarantee.LINEARIZABLE,
        [(ANA, Verb.RENAME, ANA, "Anna"), (BOB, Verb.NAME, ANA, "Ana")],
    ),
    "an uploaded photo is lost": (Guarantee.READ_YOUR_WRITES, [READY[0], (ANA, Verb.PHOTO, PHOTO, NOT_FOUND)]),
    "a ready photo is processed again": (
        Guarantee.MONOTONIC_READS,
        [*READY, (ANA, Verb.PHOTO, PHOTO, "processing")],
    ),
    "a photo never becomes ready": (
        Guarantee.EVENTUAL,
        [READY[0], (ANA, Verb.PHOTO, PHOTO, "processing", LATER)],
    ),
    "a photo is missing in its owner's list": (Guarantee.MONOTONIC_READS, [*READY, (ANA, Verb.PHOTOS, ANA, ())]),
    "a photo is missing for others": (Guarantee.LINEARIZABLE, [*READY, (BOB, Verb.PHOTO, PHOTO, NOT_FOUND)]),
    "an image is missing": (Guarantee.LINEARIZABLE, [*READY, (BOB, Verb.IMAGE, PHOTO, False)]),
    "an upload that was sent twice made two photos": (
        Guarantee.ONCE,
        [*READY, (BOB, Verb.PHOTOS, ANA, (LISTED, OTHER))],
    ),
    "a list has a photo twice": (Guarantee.ONCE, [*READY, (BOB, Verb.PHOTOS, ANA, (LISTED, LISTED))]),
    "a feed has a photo twice": (Guarantee.ONCE, [*FOLLOWED, (BOB, Verb.FEED, BOB, Feed((LISTED, LISTED)))]),
    "a deleted photo is at home": (Guarantee.RESURRECTED, [*READY, DELETED, (BOB, Verb.PHOTO, PHOTO, "ready")]),
    "a deleted photo has likes": (Guarantee.RESURRECTED, [*READY, DELETED, (BOB, Verb.LIKES, PHOTO, ())]),
    "a deleted photo is in a feed at home": (
        Guarantee.RESURRECTED,
        [*FOLLOWED_AT_HOME, DELETED, (CARLA, Verb.FEED, CARLA, Feed((LISTED,)))],
    ),
    "a deleted photo is in a feed elsewhere": (Guarantee.RESURRECTED, [*FOLLOWED, DELETED, (*IN_FEED, LATER)]),
    "a deleted photo is at an edge": (Guarantee.RESURRECTED, [*READY, DELETED, (BOB, Verb.IMAGE, PHOTO, True, LATER)]),
    "a photo whose deletion had no answer is gone, and then back": (
        Guarantee.RESURRECTED,
        [*READY, (*DELETED, LOST), (BOB, Verb.PHOTO, PHOTO, NOT_FOUND), (CARLA, Verb.PHOTO, PHOTO, "ready")],
    ),
    "a photo leaves a feed": (Guarantee.MONOTONIC_READS, [*FOLLOWED, IN_FEED, (BOB, Verb.FEED, BOB, Feed(()))]),
    "a photo never comes into a feed": (Guarantee.EVENTUAL, [*FOLLOWED, (BOB, Verb.FEED, BOB, Feed(()), LATER)]),
    "a new follower never sees an older photo": (
        Guarantee.EVENTUAL,
        [*READY, (BOB, Verb.FOLLOW, ANA, None), (BOB, Verb.FEED, BOB, Feed(()), LATER)],
    ),
}

ALLOWED: dict[str, list[Step]] = {
    "a like without an answer is there": [
        *READY,
        (BOB, Verb.LIKE, PHOTO, None, LOST),
        (BOB, Verb.LIKES, PHOTO, (BOB,)),
    ],
    "a like without an answer is not there": [
        *READY,
        (BOB, Verb.LIKE, PHOTO, None, LOST),
        (BOB, Verb.LIKES, PHOTO, ()),
    ],
    "a like without an answer comes late": [
        *READY,
        (BOB, Verb.LIKE, PHOTO, None, LOST),
        (BOB, Verb.LIKES, PHOTO, ()),
        (BOB, Verb.UNLIKE, PHOTO, None),
        (BOB, Verb.LIKES, PHOTO, (BOB,), LATER),
    ],
    "a like that was sent twice comes once more": [
        *READY,
        (BOB, Verb.LIKE, PHOTO, None, SLOW),
        (BOB, Verb.UNLIKE, PHOTO, None),
        (BOB, Verb.LIKES, PHOTO, (BOB,)),
    ],
    "a deleted photo is still in a feed elsewhere": [*FOLLOWED, DELETED, IN_FEED],
    "a deleted photo is still at an edge": [*READY, DELETED, (BOB, Verb.IMAGE, PHOTO, True)],
    "and comes and goes there until all has spread": [
        *FOLLOWED,
        DELETED,
        IN_FEED,
        (BOB, Verb.FEED, BOB, Feed(())),
        IN_FEED,
    ],
    "a deletion without an answer has had no effect": [
        *READY,
        (*DELETED, LOST),
        (BOB, Verb.PHOTO, PHOTO, "ready", LATER),
    ],
    "a deletion without an answer comes late": [
        *READY,
        (*DELETED, LOST),
        (BOB, Verb.PHOTO, PHOTO, "ready"),
        (BOB, Verb.PHOTO, PHOTO, NOT_FOUND, LATER),
    ],
    "a photo whose home does not answer is not in the feed": [
        *FOLLOWED,
        IN_FEED,
        (BOB, Verb.FEED, BOB, Feed((), (PHOTO,)), LATER),
    ],
    "an unfollow without an answer empties the feed": [
        *FOLLOWED,
        IN_FEED,
        (BOB, Verb.UNFOLLOW, ANA, None, LOST),
        (BOB, Verb.FEED, BOB, Feed(()), LATER),
    ],
    "a photo is not yet in a feed": [*FOLLOWED, (BOB, Verb.FEED, BOB, Feed(()))],
    "a photo is not there for others before it is ready": [READY[0], (BOB, Verb.PHOTO, PHOTO, NOT_FOUND)],
    "an upload without an answer made no photo": [(*READY[0], LOST), (ANA, Verb.PHOTO, PHOTO, NOT_FOUND, LATER)],
    "a removed comment comes back by the request that was sent twice": [
        *READY,
        (BOB, Verb.COMMENT, PHOTO, "how blue", SLOW),
        (ANA, Verb.UNCOMMENT, PHOTO, "how blue"),
        (ANA, Verb.COMMENTS, PHOTO, ("how blue",)),
    ],
}


def as_operations(steps, begin_s, gap_s):
    """The steps as operations, one after the other."""
    at_s, operations = begin_s, []
    for who, verb, target, value, *how in steps:
        at_s += 1_000 if LATER in how else gap_s
        took_s = 2.0 if SLOW in how else 0.1
        outcome = Completion.UNKNOWN if LOST in how else Completion.OK
        operations.append(Operation(who, verb, target, value, at_s, at_s + took_s, outcome))
        at_s += took_s
    return operations


def world_of(seed):
    return ConsistentWorld(Random(seed), BOUNDS).run(12)


def checked(world, operations):
    return check(operations, world.absences, world.names | NAMES, home_of, BOUNDS)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32))
def test_what_a_correct_system_does_is_accepted(seed):
    """With several regions, delays, parts that are away, lost answers, and requests that take effect later or twice."""
    world = ConsistentWorld(Random(seed), BOUNDS).run(40)
    assert [str(one) for one in checked(world, world.operations)] == []


def test_a_correct_system_does_everything_and_with_every_outcome():
    """So that what is accepted is not little."""
    operations = [one for seed in range(20) for one in world_of(seed).operations]
    expected = {(verb, Completion.OK) for verb in Verb}
    expected |= {(verb, Completion.FAILED if verb.is_read else Completion.UNKNOWN) for verb in Verb}
    assert {(one.verb, one.completion) for one in operations} >= expected


@pytest.mark.parametrize(("guarantee", "steps"), MISTAKES.values(), ids=MISTAKES.keys())
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1 << 32))
def test_a_mistake_among_what_is_correct_is_found(guarantee, steps, seed):
    """The last step is the mistake, and nothing else is reported."""
    world, planted = world_of(seed), as_operations(steps, 50, gap_s=1.1)
    assert checked(world, [*world.operations, *planted[:-1]]) == []
    [violation] = checked(world, [*world.operations, *planted])
    assert (violation.guarantee, violation.operation) == (guarantee, planted[-1]), str(violation)


@pytest.mark.parametrize("steps", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_only_looks_like_a_mistake_is_accepted(steps):
    assert [str(one) for one in checked(world_of(1), as_operations(steps, 50, gap_s=0.2))] == []


@pytest.mark.parametrize("number", range(2, 8))
def test_bounds_do_not_run_while_something_is_away(number):
    """Of many absences, each begins before all has spread since the one before."""
    absences = [Absence("part", 50 + 5 * one, 51 + 5 * one) for one in range(number)]
    deleted = as_operations([*READY, DELETED], 45, gap_s=1.1)
    for since_last_s, is_found in ((5.9, False), (6.1, True)):
        shown = as_operations([(BOB, Verb.IMAGE, PHOTO, True)], absences[-1].to_s + since_last_s, gap_s=0)
        assert bool(check([*deleted, *shown], absences, NAMES, home_of, BOUNDS)) == is_found
