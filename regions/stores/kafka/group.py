"""Our membership in a consumer group: joining, assigning partitions, heartbeats, leaving. Part of the Kafka adapter.

This is Kafka's classic group protocol, the one behind pykafka's `managed=True`. We speak it like this:

1. Find the coordinator: any broker names the one that keeps this group. Steps 2 to 5 use one connection to it.
2. JoinGroup: we send our member id (empty the first time, then the coordinator gives us one), the session timeout, and
   our previous assignment. The coordinator delays its responses until every member has joined, or until the session
   timeout has passed: then it removes those that have not. Each response names the new generation and the leader, and
   the leader's response has the previous assignment of every member.
3. The leader is one of the members. It assigns all partitions to members (`assign`).
4. SyncGroup: every member sends it, and the leader's contains the assignments. The coordinator delays its responses
   until it has those. Each response is that member's own assignment.
5. Heartbeat: each second, with our generation and member id. An error is how we learn that something has changed.
6. LeaveGroup: the others rebalance at once, instead of after the session timeout.

What an error in a response to JoinGroup, SyncGroup or Heartbeat makes us do:

- 27 REBALANCE_IN_PROGRESS: a member came or left. Go to step 2 with the same member id. We keep our partitions, and go
  on reading them, until the new assignment has come.
- 22 ILLEGAL_GENERATION: the group is in another generation than we are. Keep the member id, drop our partitions,
  increment `epoch`, go to step 2.
- 25 UNKNOWN_MEMBER_ID: the coordinator has removed us, or lost its memory. The same as 22, and clear the member id.
- 14, 15, 16 (the coordinator is loading, not available, or another broker): keep all we have, close the connection,
  and after 0.2 s find the coordinator and send the Heartbeat or JoinGroup again. If that has lasted for a whole session
  timeout, each further such error raises Unavailable too.
- Any other error: the same, but raise Unavailable at once.
- A connection that fails is closed, and Unavailable is raised. The next `poll` connects again. A JoinGroup or SyncGroup
  that was in flight is replaced by a new JoinGroup.

Why there is `epoch`. As long as we see every generation, a partition that is ours in two successive ones was ours all
the time, and nobody else moved the group's offset: reading continues where we are. Generations can be missed, though.
Say we have partition 0 in generation 4. We join generation 5, but our SyncGroup arrives after the next rebalance has
begun, so the response is error 27 and we join generation 6. In generation 5 another member may have had partition 0,
read it and committed. If 6 gives it to us again, our own offset is out of date. So whenever a SyncGroup succeeds in a
generation that is not our last one plus one, `epoch` goes up, and the consumer drops what it had and starts again at
the group's commits. For the same reason 22 and 25 increment it. It also goes up when we join for the first time, which
is harmless: there is nothing to drop yet.

While a rebalance runs, a partition can have two readers for a moment: the new owner has its assignment, and the old one
has not polled yet. Delivery is at least once, so this is allowed. Kafka rejects a commit in the old generation, so the
old owner can't move the group's offset any more.
"""

import time
from collections.abc import Collection, Mapping
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
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import BrokerConnection

# The session timeout: a member that sends nothing for this long is removed. Kafka takes no less than 6 s by default.
SESSION_S = 10.0
_HEARTBEAT_S = 1.0
_RETRY_S = 0.2
_LEAVE_S = 1.0
# The coordinator delays its responses until the others have joined, for up to a session timeout. This is longer.
_JOIN_S = 3 * SESSION_S

# Kafka's error codes.
ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS = 22, 25, 27
_COORDINATOR_NOT_READY = (14, 15, 16)


class Membership:
    """`partitions` are ours in the generation `generation`.

    `epoch` counts how often we may have missed a generation: what is ours may have been another member's since.
    """

    def __init__(self, cluster: KafkaCluster, group: bytes, topic: bytes) -> None:
        self._cluster, self._group, self._topic = cluster, group, topic
        self.member_id = b""
        self.generation = -1
        self.epoch = 0
        self.partitions: frozenset[int] = frozenset()
        self._connection: BrokerConnection | None = None
        # From when we learn of a rebalance until our new assignment has come.
        self._joining = True
        # The response to our JoinGroup, while our SyncGroup is in flight.
        self._joined: JoinGroupResponse | None = None
        self._heartbeat_at_s = self._join_at_s = 0.0
        self._last_success_s = time.monotonic()

    @property
    def waiting_connection(self) -> BrokerConnection | None:
        """The connection on which a response has yet to come, if there is one."""
        return self._connection if self._connection is not None and self._connection.in_flight else None

    def poll(self) -> None:
        """Does what is due. Call it at least every second or two. Raises Unavailable; then call it again.

        While our JoinGroup or SyncGroup is pending, no heartbeat is needed: the coordinator does not expire us then.

        Never waits for other members: JoinGroup and SyncGroup are sent by one call, and their responses read by a
        later one, when they have come.
        """
        if not self._joining and time.monotonic() >= self._heartbeat_at_s:
            self._heartbeat()
        if self._joining and time.monotonic() >= self._join_at_s:
            self._join()

    def idle_s(self) -> float:
        """How long until `poll` has something to do, unless a response comes before."""
        if self._joining and self.waiting_connection is not None:
            return _HEARTBEAT_S
        return max(0.0, (self._join_at_s if self._joining else self._heartbeat_at_s) - time.monotonic())

    def leave(self) -> None:
        """If it raises Unavailable, the others get our partitions only after `SESSION_S`."""
        self.partitions = frozenset()
        try:
            connection = self.waiting_connection
            if not self.member_id and connection is not None:
                # The coordinator counts us from our first JoinGroup on, but tells us our id only in its response.
                self.member_id = connection.receive(JoinGroupResponse, _LEAVE_S).member_id
            if self.member_id:
                request = LeaveGroupRequest(self._group, self.member_id)
                self._cluster.connections.call(self._cluster.coordinator(self._group), request, LeaveGroupResponse)
        finally:
            self._disconnect()

    def _heartbeat(self) -> None:
        request = HeartbeatRequest(self._group, self.generation, self.member_id)
        try:
            response = self._connect().call(request, HeartbeatResponse)
        except Unavailable:
            self._disconnect()
            raise
        if response.error_code:
            self._handle_error(response.error_code)
        else:
            self._succeeded()

    def _join(self) -> None:
        """Goes as far through JoinGroup and SyncGroup as it can without waiting."""
        try:
            if self.waiting_connection is None:
                self._send_join()
            if self._joined is None and self._connect().ready(_JOIN_S):
                self._send_sync(self._connect().receive(JoinGroupResponse))
            if self._joined is not None and self._connect().ready(_JOIN_S):
                self._take_assignment(self._joined, self._connect().receive(SyncGroupResponse))
        except Unavailable:
            self._disconnect()
            raise

    def _send_join(self) -> None:
        previous = ",".join(map(str, sorted(self.partitions))).encode()
        metadata = ConsumerGroupProtocolMetadata(topic_names=[self._topic], user_data=previous)
        protocol = GroupMembershipProtocol(b"consumer", b"darkroom", metadata, None)
        self._joined = None
        self._connect().send(
            JoinGroupRequest(self._group, self.member_id, self._topic, protocol, int(SESSION_S * 1000))
        )

    def _send_sync(self, joined: Any) -> None:
        if joined.error_code:
            return self._handle_error(joined.error_code)
        self.member_id = joined.member_id
        self._joined = joined
        assignments: list[tuple[bytes, _Assignment]] = []
        if joined.leader_id == joined.member_id:
            previous = {member: _read_previous(metadata.user_data) for member, metadata in joined.members.items()}
            assigned = assign(previous, self._cluster.leaders(self._topic))
            assignments = [(member, _Assignment(self._topic, own)) for member, own in assigned.items()]
        self._connect().send(SyncGroupRequest(self._group, joined.generation_id, self.member_id, assignments))

    def _take_assignment(self, joined: Any, synced: Any) -> None:
        self._joined = None
        if synced.error_code:
            return self._handle_error(synced.error_code)
        if joined.generation_id != self.generation + 1:
            self.epoch += 1
        self.generation = joined.generation_id
        self.partitions = frozenset(dict(synced.member_assignment.partition_assignment).get(self._topic, ()))
        self._joining = False
        self._succeeded()

    def _succeeded(self) -> None:
        self._last_success_s = time.monotonic()
        self._heartbeat_at_s = self._last_success_s + _HEARTBEAT_S

    def _handle_error(self, code: int) -> None:
        """As the list at the top of this file says."""
        if code not in (UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS):
            return self._retry_later(code)
        self._joining, self._joined = True, None
        if code == UNKNOWN_MEMBER_ID:
            self.member_id = b""
        if code != REBALANCE_IN_PROGRESS:
            self.partitions = frozenset()
            self.epoch += 1

    def _retry_later(self, code: int) -> None:
        """Just after a coordinator was started or took over from another, it does not know its groups yet."""
        self._disconnect()
        now_s = time.monotonic()
        self._join_at_s = self._heartbeat_at_s = now_s + _RETRY_S
        if code not in _COORDINATOR_NOT_READY or now_s - self._last_success_s > SESSION_S:
            raise Unavailable(f"the group {self._group.decode()} is unavailable: error {code}")

    def _connect(self) -> BrokerConnection:
        """The connection that is open, or a new one."""
        if self._connection is None:
            self._connection = BrokerConnection(self._cluster.coordinator(self._group))
        return self._connection

    def _disconnect(self) -> None:
        self._joined = None
        self._cluster.forget()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Assignment(MemberAssignment):  # type: ignore[misc]
    """With empty user data at its end, which pykafka leaves out and Kafka's own tools need."""

    def __init__(self, topic: bytes, partitions: list[int]) -> None:
        super().__init__([(topic, partitions)], version=0)

    def __len__(self) -> int:
        return int(super().__len__()) + 4

    def get_bytes(self) -> bytes:
        return bytes(super().get_bytes()[:-4]) + b"\xff\xff\xff\xff"


def assign(previous: Mapping[bytes, frozenset[int]], partitions: Collection[int]) -> dict[bytes, list[int]]:
    """Assigns all `partitions` to the members, given each one's previous assignment. Pure.

    The members' numbers of partitions differ by at most one, and within that each keeps as many of its own as possible.
    """
    # Members that had most come first: if the partitions don't divide evenly, they get the larger numbers.
    members = sorted(previous, key=lambda member: (-len(previous[member]), member))
    least, larger = divmod(len(partitions), len(members))
    room = {member: least + (number < larger) for number, member in enumerate(members)}
    assignment: dict[bytes, list[int]] = {}
    free = set(partitions)
    for member in members:
        assignment[member] = sorted(previous[member] & free)[: room[member]]
        free.difference_update(assignment[member])
    for member in members:
        added = sorted(free)[: room[member] - len(assignment[member])]
        assignment[member] = sorted(assignment[member] + added)
        free.difference_update(added)
    return assignment


def _read_previous(user_data: bytes | None) -> frozenset[int]:
    return frozenset(int(number) for number in (user_data or b"").split(b",") if number.isdigit())
