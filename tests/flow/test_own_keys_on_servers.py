"""On real servers, no region's key or URL opens the buckets of another one, and no process has another's key."""

import re
from collections import defaultdict

import boto3
import pytest
from botocore.exceptions import ClientError as Refused

from darkroom.local.addresses import TOPOLOGY
from darkroom.operate import doctor, where
from deploy.servers import versitygw
from regions import config
from regions.stores.health import Level
from tests.builders.inspected_process import InspectedProcess

pytestmark = pytest.mark.xdist_group("server_system")

READY_S = 120
REGIONS = ("eu-west", "eu-central", "us-central")
_LINE = re.compile(
    r"\S+ darkroom-(?P<region>[a-z-]+)-(raw|variants) \[[^]]+\] \S+ (?P<who>\S+) \S+ (?P<what>\S+)"
    r" \S+ \S+ (?P<status>\d+) "
)
"""Of an access log: the bucket, whose key signed the request or the URL, what was asked, and the answer's status."""


@pytest.fixture(scope="module")
def users(server_system) -> dict[str, str]:
    return dict(versitygw.users(server_system.servers / "versitygw"))


@pytest.fixture(scope="module")
def at_work(server_system, draw, eventually):
    """Photos that are uploaded, processed, copied over borders, looked for by an operator, and deleted."""
    people = [server_system.person("Ana", "PT", "lisbon"), server_system.person("Bob", "US", "chicago")]
    for seed, person in enumerate(people):
        photo = person.client.wait_until_ready(person.upload(draw(970 + seed)), READY_S)
        copied = lambda photo=photo: "eu-central/raw" in server_system.objects_of(photo["id"])  # noqa: E731
        eventually(copied, READY_S)
        person.client.image(photo["variants"]["320"])
        found = where.locate(config.load(server_system.data / TOPOLOGY, {}), photo["id"]).all_copies()
        assert {copy.place for copy in found} >= {person.home_region, "eu-central"}
        person.client.delete(photo["id"])
        eventually(lambda photo=photo: not server_system.objects_of(photo["id"]), READY_S)


def test_each_bucket_is_opened_with_its_own_regions_key_alone(server_system, at_work):
    """By its store's own log. What other regions' lanes bring comes by URLs that the region has signed; and `darkroom
    where` walks each region with that region's own key.
    """
    asked = defaultdict(set)
    for line in (server_system.servers / "versitygw" / versitygw.ACCESS_LOG).read_text().splitlines():
        found = _LINE.match(line)
        # What was refused is no access: the health check asks without a signature.
        if found and found["status"] != "403":
            asked[found["region"]].add((found["who"], found["what"]))
    for region in REGIONS:
        assert {who for who, _ in asked[region]} == {region}, asked[region]
    # So what came over a border was seen: nobody's home is there.
    assert {"s3_PutObject", "s3_DeleteObject"} <= {what for _, what in asked["eu-central"]}
    assert "s3_GetObject" in {what for _, what in asked["eu-west"]}


def test_a_regions_key_opens_no_bucket_of_another(server_system, at_work, users):
    """Neither to read nor to write; so a signed URL of its own does not, either."""
    endpoint = server_system.objects["us-central"].partition("endpoint=")[2].partition("&")[0]
    taken = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="us-central", aws_secret_access_key=users["us-central"],
        region_name="us-east-1",
    )  # fmt: skip
    taken.list_objects_v2(Bucket="darkroom-us-central-raw")
    for action in (
        lambda: taken.list_objects_v2(Bucket="darkroom-eu-west-raw"),
        lambda: taken.put_object(Bucket="darkroom-eu-west-raw", Key="raw/00/x", Body=b"x"),
        lambda: taken.delete_bucket(Bucket="darkroom-eu-west-raw"),
        lambda: taken.put_bucket_acl(Bucket="darkroom-eu-west-raw", ACL="public-read-write"),
    ):
        with pytest.raises(Refused, match="AccessDenied"):
            action()


def test_no_process_has_the_key_of_another_region(server_system, at_work, users):
    """Neither in its environment nor in its memory. The origin has its own, so it would be found."""
    for name, pid in server_system.pids().items():
        if name.endswith("-us-central") or name == "edge-sydney":
            process = InspectedProcess(pid)
            others = {secret.encode() for region, secret in users.items() if region != "us-central"}
            assert process.remembered(others) == set(), name
            assert not [secret for secret in others if secret in process.environment()]
    own = InspectedProcess(server_system.pids()["origin-us-central"])
    assert own.remembered([users["us-central"].encode()])


def test_the_doctor_finds_that_each_region_has_credentials_of_its_own(server_system):
    rows = doctor.check_system(config.load(server_system.data / TOPOLOGY, {}), 60)
    [own] = [row.result for row in rows if row.result.what == "credentials"]
    assert (own.level, own.detail) == (Level.OK, "each of 3 regions has its own")
