"""How the doctor evaluates policies, backlogs, responses and clocks."""

import json
from dataclasses import replace
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.local import data_folder
from darkroom.operate import diagnosis
from darkroom.operate.diagnosis import DEAD, exit_code
from regions.errors import NotFound, StatementError, TopologyError, Unavailable
from regions.events import messages, topics
from regions.events.gap_records import GapRecord
from regions.ids import MAX_PROCESSES
from regions.residency.statement import Kind, Statement
from regions.stores import disk_space, health
from regions.stores.health import CheckResult, HealthCheck, Level, run_checks
from regions.topology import Edge, Region, Topology
from replication.budget import LaneSettings
from tests.builders.statements import Compliance, place
from tests.builders.statuses import status

NOW_MS = 1_800_000_000_000


def topology() -> Topology:
    """The places of the one-machine topology, without their stores."""
    machine = data_folder.read_machine()
    regions = {
        name: Region(name, table["number"], table["jurisdiction"], 0, 0, f"http://{name}", *[""] * 5)
        for name, table in machine.regions.items()
    }
    edges = {
        name: Edge(name, table["jurisdiction"], 0, 0, f"http://{name}", "", table.get("shield_of", ""))
        for name, table in machine.edges.items()
    }
    return Topology(regions, edges)


def event_at(at_ms: int) -> messages.Event:
    return messages.follow_changed("u_1", "u_2", True, at_ms)


def stated(**changes) -> Statement:
    """A statement about the places of the topology."""
    regions, edges = topology().regions.values(), topology().edges.values()
    places = [place(r.name, Kind.REGION, r.jurisdiction, number=r.number, url=r.origin) for r in regions]
    places += [place(e.name, Kind.EDGE, e.jurisdiction, shield_of=e.shield_of, url=e.url) for e in edges]
    return Compliance().states(places=[replace(one, **changes.get(one.name, {})) for one in places])


def test_a_statement_that_agrees_with_the_topology_is_ok():
    """The result names its serial."""
    found = diagnosis.evaluate_statement(statement := stated(), topology(), statement.signers)
    assert (found.level, found.advice) == (Level.OK, "")
    assert "serial 1" in found.detail


@pytest.mark.parametrize(
    ("found", "detail"), [(None, "there is none"), (StatementError("it has 0 valid signatures"), "it has 0 valid")]
)
def test_a_statement_that_is_missing_or_not_valid_is_a_failure(found, detail):
    """The result has the reason and advice."""
    result = diagnosis.evaluate_statement(found, topology(), Compliance().signers)
    assert (result.level, detail in result.detail) == (Level.FAILURE, True)
    assert "darkroom policy apply" in result.advice


def test_a_topology_that_differs_from_the_statement_is_a_warning():
    """The statement counts; the result names what the topology has otherwise."""
    changed = stated(sydney={"jurisdiction": "NZ"}, chicago={"url": "http://elsewhere"})
    result = diagnosis.evaluate_statement(changed, topology(), changed.signers)
    assert result.level is Level.WARNING
    assert "URL of chicago, jurisdiction of sydney" in result.detail


def test_signers_of_another_team_are_a_warning():
    """A node that starts anew would believe a team that was replaced."""
    result = diagnosis.evaluate_statement(stated(), topology(), Compliance(name="old").signers)
    assert (result.level, "officer-1" in result.detail) == (Level.WARNING, True)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["one", "two"])))
def test_policies_that_differ_are_a_failure(texts):
    """With any number of regions; the result names them."""
    found = diagnosis.evaluate_same(texts)
    assert (found.level is Level.FAILURE) == (len(set(texts.values())) > 1)
    assert found.level is Level.OK or all(region in found.detail for region in texts)


NUMBERS = ("one", "two", "three")
CREDENTIALS = st.dictionaries(st.sampled_from(["catalog", "feeds", "limits"]), st.sampled_from(NUMBERS))


@given(st.dictionaries(st.sampled_from(["eu-west", "eu-central", "us-central"]), CREDENTIALS))
def test_what_opens_the_stores_of_two_regions_is_a_failure(credentials):
    """One password for several stores of one region is none."""
    found = diagnosis.evaluate_credentials(credentials)
    owners = {one: {region for region, by_port in credentials.items() if one in by_port.values()} for one in NUMBERS}
    assert (found.level is Level.FAILURE) == any(len(regions) > 1 for regions in owners.values())
    for regions in owners.values():
        assert len(regions) < 2 or all(region in found.detail for region in regions)


@given(st.integers(0, MAX_PROCESSES + 5))
def test_process_numbers_are_ok_until_few_are_free(taken):
    """It is a failure when none is free."""
    found = diagnosis.evaluate_numbers(taken)
    assert (found.level is Level.FAILURE) == (taken >= MAX_PROCESSES)
    assert (found.level is Level.OK) == (taken <= MAX_PROCESSES * 3 // 4) == (found.advice == "")


def test_an_outbox_that_is_being_swept_is_ok():
    """No matter how full it is."""
    found = diagnosis.evaluate_outbox([event_at(NOW_MS - 5_000)] * 3, 3, NOW_MS)
    assert (found.level, found.detail) == (Level.OK, "3 or more waiting")


def test_an_outbox_that_nobody_sweeps_is_a_warning():
    """The advice is to start the janitor."""
    found = diagnosis.evaluate_outbox([event_at(NOW_MS - 90_000), event_at(NOW_MS)], 9, NOW_MS)
    assert (found.level, found.detail) == (Level.WARNING, "2 waiting, the oldest for 90 s")
    assert "janitor" in found.advice


def test_lag_is_reported_and_dead_letters_are_a_warning():
    """A backlog is only information; an event that was given up is a problem."""
    behind = {(topics.PHOTO_READY, "fanout"): 7, (topics.PHOTO_DELETED, "erasure"): 0, DEAD: 2}
    lag, dead = diagnosis.evaluate_lag(behind)
    assert (lag.level, lag.detail) == (Level.OK, "fanout photo_ready 7")
    assert (dead.level, dead.detail.split()[0]) == (Level.WARNING, "2")


def test_what_was_trimmed_before_a_group_read_it_is_a_warning():
    """With each group and topic, and at most how many events; a record that can't be read counts too."""
    assert diagnosis.evaluate_gaps([]).level is Level.OK
    records = [
        GapRecord("lane-us-central", "photo_deleted", {0: (5, 2005), 3: (0, 7)}, 1),
        GapRecord("fanout", "photo_ready", {}, 0),
    ]
    found = diagnosis.evaluate_gaps(records)
    assert found.level is Level.WARNING
    assert (
        found.detail == "lane-us-central photo_deleted at most 2,007, fanout photo_ready (a record that can't be read)"
    )
    assert "gaps/GROUP/TOPIC" in found.advice


def test_every_lane_and_topic_has_a_reader():
    """A region has no lane to itself."""
    readers = diagnosis.readers("eu-west", topology())
    assert {topic for topic, _ in readers} == set(topics.TOPICS)
    assert {group for _, group in readers if group.startswith("lane-")} == {"lane-eu-central", "lane-us-central"}
    assert len(readers) == len(set(readers))


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, b'{"region": "eu-west"}'), (200, b'{"region": "us-central"}'), (200, b"<html>"), (200, b"[]"), (404, b"")],
)
def test_an_unhealthy_or_wrong_server_is_a_failure(status, body):
    """A topology's URL may lead to the wrong server."""
    assert diagnosis.evaluate_health({"region": "eu-west"}, status, body).level is Level.FAILURE


def test_a_server_that_identifies_itself_is_ok():
    """Its document may contain more."""
    body = json.dumps({"region": "eu-west", "more": 1}).encode()
    assert diagnosis.evaluate_health({"region": "eu-west"}, 200, body).level is Level.OK


@pytest.mark.parametrize(("refused", "named"), [(["eu-west", "lisbon"], "eu-west, lisbon"), (7, "an upstream")])
def test_a_server_whose_upstreams_do_not_answer_is_a_warning(refused, named):
    """It names them; whatever stands there is shown and not trusted."""
    body = json.dumps({"region": "us-central", "refused": refused}).encode()
    found = diagnosis.evaluate_health({"region": "us-central"}, 200, body)
    assert (found.level, found.detail) == (
        Level.WARNING,
        f"answers, but was not answered when it last asked: by {named}",
    )


@given(st.lists(st.sampled_from(Level)))
def test_only_a_failure_fails(levels):
    """Warnings do not change the exit code."""
    assert exit_code(CheckResult("it", level, "") for level in levels) == int(Level.FAILURE in levels)


@given(st.floats(-1e6, 1e6), st.floats(0, 60), st.floats(0, 1))
def test_the_time_of_a_request_never_counts_as_skew(skew_s, request_s, resolution_s):
    """A reading that is cut off at its resolution, at any time during the request, shows at most the true skew."""
    sent_s = 1.8e9
    found = health.clock(sent_s + request_s / 2 + skew_s - resolution_s / 2, resolution_s, sent_s, sent_s + request_s)
    if abs(skew_s) <= 2:
        assert found.level is Level.OK
    if abs(skew_s) > 30 + request_s + resolution_s + 1:
        assert found.level is Level.FAILURE
        assert ("ahead of" if skew_s > 0 else "behind") in found.detail


@pytest.mark.parametrize(("skew_s", "level"), [(0, "ok"), (-10, "warning"), (10, "warning"), (400, "failure")])
def test_the_date_header_is_a_clock_of_whole_seconds(skew_s, level):
    """It may be ahead or behind."""
    found = health.http_clock(formatdate(1_800_000_000 + skew_s, usegmt=True), 1_800_000_000.2, 1_800_000_000.9)
    assert found.level == level


def test_a_missing_or_invalid_date_header_is_a_warning():
    """The clock can't be compared then."""
    assert {health.http_clock(date, 1.0, 2.0).level for date in ("", "tomorrow")} == {Level.WARNING}


@pytest.mark.parametrize(("free", "level"), [(0, "failure"), (1 << 30, "warning"), (1 << 40, "ok")])
def test_a_disk_that_fills_up_is_reported_in_time(free, level):
    """A warning comes before the failure."""
    assert disk_space.evaluate(free).level == level


def unavailable() -> str:
    raise Unavailable("it is down")


def test_an_unavailable_store_is_not_checked_further():
    """The first check's failure is the only result, with its advice."""
    checks = [HealthCheck("reachable", unavailable, "start it"), HealthCheck("disk", lambda: "never run", "")]
    assert run_checks(checks) == [CheckResult("reachable", Level.FAILURE, "it is down", "start it")]


@pytest.mark.parametrize("error", [Unavailable("so"), NotFound("so"), TopologyError("so")])
def test_an_error_of_a_later_check_does_not_stop_the_others(error):
    """Each check has its own result."""

    def raising() -> str:
        raise error

    checks = [
        HealthCheck("a", lambda: "well", "x"),
        HealthCheck("b", raising, "fix b"),
        HealthCheck("c", lambda: "well too", "x"),
    ]
    assert [(one.what, one.level, one.advice) for one in run_checks(checks)] == [
        ("a", "ok", ""),
        ("b", "failure", "fix b"),
        ("c", "ok", ""),
    ]


@pytest.mark.parametrize(
    ("processors", "level", "detail"),
    [
        ({}, Level.WARNING, "no processor has reported"),
        ({"one": status(workers=0)}, Level.WARNING, "1 processors, 0 workers"),
        ({"one": status(workers=2), "two": status(workers=2)}, Level.OK, "2 processors, 2 workers"),
    ],
)
def test_a_region_that_can_process_no_photo_is_a_warning(processors, level, detail):
    """Two processors of one cluster share its workers. The advice names the process to start."""
    result = diagnosis.evaluate_processing("eu-west", processors)
    assert result.level is level and detail in result.detail
    assert (level is Level.OK) or "eu-west" in result.advice


@pytest.mark.parametrize(
    ("settings", "level", "detail"),
    [
        ({}, Level.OK, "none is paused"),
        ({"us-central": LaneSettings(width=4)}, Level.OK, "none is paused"),
        ({"us-central": LaneSettings(paused=True), "eu-central": LaneSettings()}, Level.WARNING, "to us-central"),
        ({"us-central": None}, Level.WARNING, "us-central can't be read"),
    ],
)
def test_a_lane_that_somebody_has_paused_is_a_warning(settings, level, detail):
    """So that nobody forgets it. The advice is the command that lets it go on."""
    result = diagnosis.evaluate_lanes("eu-west", settings)
    assert result.level is level and detail in result.detail
    assert (level is Level.OK) or "darkroom lanes set us-central --region eu-west --resume" in result.advice
