"""What chaos chooses: by its seed, everything in time, and no fault that TLS would notice."""

from itertools import islice
from random import Random

from tests.builders.chaos import victims, with_tls
from tests.builders.line_faults import HEALTHY, FaultKind, LineFault, Spell, random_faults

REGIONS = ["eu-central", "eu-west", "us-central"]
CORRUPT = LineFault(FaultKind.CORRUPT, 7, in_body=True)


def chosen(seed, count=200):
    return list(islice(victims(Random(seed), REGIONS), count))


def test_a_seed_chooses_the_samevictims_again():
    """Another one others."""
    assert chosen(1) == chosen(1) != chosen(2)


def test_every_process_that_carries_photos_between_regions_is_killed():
    """Among a hundred kills, each; and most of them are of lanes and of what they ask."""
    kinds = {f"{kind}-{region}" for kind in ("replicator", "border", "origin", "processor") for region in REGIONS}
    kinds |= {"scheduler-eu-west", "worker-eu-west", "dask-of-worker-eu-west", "dask-of-processor-us-central"}
    names = chosen(3, 100)
    assert kinds <= set(names)
    assert sum(name.startswith(("replicator", "border")) for name in names) > 35


def test_what_is_corrupt_in_an_answer_becomes_a_corrupt_request():
    """The token of a request covers its body; an answer has TLS alone, which is not here."""
    line = with_tls(Spell("corrupt", HEALTHY.struck(responses=CORRUPT), 1.0))
    assert line == HEALTHY.struck(requests=CORRUPT)


def test_every_other_spell_stays_as_it_is():
    """In either direction."""
    spells = [spell for spell in islice(random_faults(1), 100) if spell.name != "corrupt"]
    assert [with_tls(spell) for spell in spells] == [spell.line for spell in spells]
