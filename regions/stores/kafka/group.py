"""Our place in a consumer group: joining, sharing out, heartbeats, leaving. Part of the Kafka events adapter.

Kafka's group membership, the one behind pykafka's `managed=True`. The members of a group answer their
coordinator's call to join again; one of them shares the partitions out, and each is told its own. All of it is
done by whoever calls `turn`, which never waits for other members: until all have come, the old shares hold.
"""

import time
from collections.abc import Mapping
from typing import Any

from pykafka.membershipprotocol import GroupMembershipProtocol
from pykafka.protocol import (
    ConsumerGroupProtocolMetadata,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberAssignment,
    SyncGroupRequest,
    SyncGroupResponse,
)

from regions.errors import Unavailable
from regions.stores.events import PARTITIONS
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import BrokerConnection

# A member that is silent for so long is dead to the others. Kafka takes no less than 6 s by default.
SESSION_S = 10.0
_HEARTBEAT_S = 1.0
_AGAIN_S = 0.2
_LEAVE_S = 1.0
# More than all others may take to join again.
_PATIENCE_S = 3 * SESSION_S

# Kafka's error codes.
ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCE = 22, 25, 27
_NOT_READY = (14, 15, 16)


class Membership:
    """`partitions` are ours in the generation `generation`.

    `tenure` counts how often we may have missed a generation: what was ours then may have been another's since.
    """

    def __init__(self, cluster: KafkaCluster, group: bytes, topic: bytes) -> None:
        self._cluster, self._group, self._topic = cluster, group, topic
        self.member_id = b""
        self.generation = -1
        self.tenure = 0
        self.partitions: frozenset[int] = frozenset()
        self._wire: BrokerConnection | None = None
        self._joining = True
        self._joined: JoinGroupResponse | None = None
        self._heartbeat_at_s = self._again_at_s = 0.0
        self._well_at_s = time.monotonic()

    @property
    def wire(self) -> BrokerConnection | None:
        """On which an answer is awaited."""
        return self._wire if self._wire is not None and self._wire.waits else None

    def turn(self) -> None:
        """Does what is due. Call it at least every second or two. Raises Unavailable; call it again then."""
        if not self._joining and time.monotonic() >= self._heartbeat_at_s:
            self._beat()
        if self._joining and time.monotonic() >= self._again_at_s:
            self._join()

    def rest_s(self) -> float:
        """For so long nothing is to be done here, unless something comes on the wire."""
        if self._joining and self.wire is not None:
            return _HEARTBEAT_S
        return max(0.0, (self._again_at_s if self._joining else self._heartbeat_at_s) - time.monotonic())

    def leave(self) -> None:
        """Raises Unavailable where the others will have to wait for `SESSION_S`."""
        self.partitions = frozenset()
        try:
            if not self.member_id and self._wire is not None and self._wire.waits:
                self.member_id = self._wire.receive(JoinGroupResponse, _LEAVE_S).member_id
            if self.member_id:
                address = self._cluster.coordinator(self._group)
                self._cluster.wires.ask(address, LeaveGroupRequest(self._group, self.member_id), LeaveGroupResponse)
        finally:
            self._hang_up()

    def _beat(self) -> None:
        answer = self._ask(HeartbeatRequest(self._group, self.generation, self.member_id), HeartbeatResponse)
        if answer.error_code:
            self._refused(answer.error_code)
        else:
            self._well()

    def _join(self) -> None:
        """Goes as far as it can without waiting."""
        try:
            if self._wire is None or not self._wire.waits:
                self._send_join()
            if self._joined is None and self._connected().ready(_PATIENCE_S):
                self._send_sync(self._connected().receive(JoinGroupResponse))
            if self._joined is not None and self._connected().ready(_PATIENCE_S):
                self._take_share(self._joined, self._connected().receive(SyncGroupResponse))
        except Unavailable:
            self._hang_up()
            raise

    def _send_join(self) -> None:
        had = ",".join(map(str, sorted(self.partitions))).encode()
        about = ConsumerGroupProtocolMetadata(topic_names=[self._topic], user_data=had)
        protocol = GroupMembershipProtocol(b"consumer", b"darkroom", about, None)
        self._joined = None
        self._connected().send(
            JoinGroupRequest(self._group, self.member_id, self._topic, protocol, int(SESSION_S * 1000))
        )

    def _send_sync(self, joined: Any) -> None:
        if joined.error_code:
            return self._refused(joined.error_code)
        self.member_id = joined.member_id
        self._joined = joined
        shares: list[tuple[bytes, _Share]] = []
        if joined.leader_id == joined.member_id:
            had = {member: _read_had(about.user_data) for member, about in joined.members.items()}
            shares = [(member, _Share(self._topic, share)) for member, share in assign(had).items()]
        self._connected().send(SyncGroupRequest(self._group, joined.generation_id, self.member_id, shares))

    def _take_share(self, joined: Any, synced: Any) -> None:
        self._joined = None
        if synced.error_code:
            return self._refused(synced.error_code)
        if joined.generation_id != self.generation + 1:
            self.tenure += 1
        self.generation = joined.generation_id
        mine = dict(synced.member_assignment.partition_assignment).get(self._topic, ())
        self.partitions = frozenset(mine)
        self._joining = False
        self._well()

    def _well(self) -> None:
        self._well_at_s = time.monotonic()
        self._heartbeat_at_s = self._well_at_s + _HEARTBEAT_S

    def _refused(self, code: int) -> None:
        """Joins again, as whom we are still known, or waits for a coordinator that is not ready."""
        if code not in (UNKNOWN_MEMBER, ILLEGAL_GENERATION, REBALANCE):
            return self._wait_for_coordinator(code)
        self._joining, self._joined = True, None
        if code == UNKNOWN_MEMBER:
            self.member_id = b""
        if code != REBALANCE:
            self.partitions = frozenset()
            self.tenure += 1

    def _wait_for_coordinator(self, code: int) -> None:
        """Shortly after it was started, and when another takes over, it knows no groups yet."""
        self._hang_up()
        now_s = time.monotonic()
        self._again_at_s = self._heartbeat_at_s = now_s + _AGAIN_S
        if code not in _NOT_READY or now_s - self._well_at_s > SESSION_S:
            raise Unavailable(f"the group {self._group.decode()} is not to be had: error {code}")

    def _ask(self, request: Any, decode: Any) -> Any:
        try:
            return self._connected().ask(request, decode)
        except Unavailable:
            self._hang_up()
            raise

    def _connected(self) -> BrokerConnection:
        if self._wire is None:
            self._wire = BrokerConnection(self._cluster.coordinator(self._group))
        return self._wire

    def _hang_up(self) -> None:
        self._joined = None
        self._cluster.forget()
        if self._wire is not None:
            self._wire.close()
            self._wire = None


class _Share(MemberAssignment):  # type: ignore[misc]
    """Ends with the user data that pykafka leaves out and Kafka's own tools want to read."""

    def __init__(self, topic: bytes, partitions: list[int]) -> None:
        super().__init__([(topic, partitions)], version=0)

    def __len__(self) -> int:
        return int(super().__len__()) + 4

    def get_bytes(self) -> bytes:
        return bytes(super().get_bytes()[:-4]) + b"\xff\xff\xff\xff"


def assign(had: Mapping[bytes, frozenset[int]]) -> dict[bytes, list[int]]:
    """All partitions among the members, as evenly as can be; each keeps what it had as far as that allows. Pure."""
    members = sorted(had, key=lambda member: (-len(had[member]), member))
    least, over = divmod(PARTITIONS, len(members))
    room = {member: least + (number < over) for number, member in enumerate(members)}
    shares: dict[bytes, list[int]] = {member: [] for member in members}
    free = set(range(PARTITIONS))
    for member in members:
        shares[member] = sorted(had[member] & free)[: room[member]]
        free.difference_update(shares[member])
    for member in members:
        missing = room[member] - len(shares[member])
        taken = sorted(free)[:missing]
        shares[member] = sorted(shares[member] + taken)
        free.difference_update(taken)
    return shares


def _read_had(user_data: bytes | None) -> frozenset[int]:
    return frozenset(int(number) for number in (user_data or b"").split(b",") if number.isdigit())
