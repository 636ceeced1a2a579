"""Policies for tests: as text, whose rules stand on lines of their own, and at random for property tests."""

import json
from typing import Any

from hypothesis import strategies as st

from regions.residency import parsing
from regions.residency.policy import Action, Policy
from regions.residency.yaml_lines import DAY_MS
from regions.topology import Place

PLACES = (
    Place("eu-west", "region", "EU"),
    Place("eu-central", "region", "EU"),
    Place("us-central", "region", "US"),
    Place("lisbon", "edge", "EU"),
    Place("porto", "edge", "EU"),
    Place("sydney", "edge", "AU"),
)
REGIONS = [place.name for place in PLACES if place.kind == "region"]
JURISDICTIONS = ["jurisdiction:EU", "jurisdiction:US", "jurisdiction:AU"]
FIRST_DAY_MS = 20_000 * DAY_MS
DAYS = ["2024-10-04", "2024-10-05", "2024-10-06"]
"""The first of them begins at FIRST_DAY_MS."""

Document = dict[str, Any]


def text_of(document: Document) -> str:
    """JSON is YAML, and `indent` begins each rule on a line of its own."""
    return json.dumps(document, indent=1)


def parsed(document: Document) -> Policy:
    return parsing.parse(text_of(document), "p.yaml")


def document_of(rules: list[Document], home: str = "eu-west", **more: Any) -> Document:
    """One class, `everyone`, with these rules."""
    everyone = {"homes": [{"region": home}], "rules": rules}
    return {"policy": 1, "default_class": "everyone", "classes": {"everyone": everyone}, **more}


words = st.sampled_from([*(place.name for place in PLACES), *JURISDICTIONS, "anywhere", "home"])
ACTIONS = (Action.CACHE, Action.SERVE, Action.REST_RAW)
"""Few, so that rules meet."""
actions = st.sampled_from(ACTIONS)


def rules(at: st.SearchStrategy[str] = words) -> st.SearchStrategy[Document]:
    return st.builds(
        lambda verb, named, places, until: {
            verb: list(named),
            "at": list(places),
            "because": "A reason.",
            **({"until": until} if until else {}),
        },
        st.sampled_from(["allow", "deny"]),
        st.lists(actions, min_size=1, max_size=2, unique=True),
        st.lists(at, min_size=1, max_size=2, unique=True),
        st.sampled_from([None, None, *DAYS]),
    )


places = st.sampled_from([*PLACES, None])
times = st.sampled_from([None, 0, *(FIRST_DAY_MS + day * DAY_MS + more for day in range(5) for more in (-1, 0))])
