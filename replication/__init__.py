"""The only package that brings stored bytes over a border: one lane to each other region, and erasure at home.

In come `photo_ready`, `photo_ready_again`, `photo_deleted` and `follow_changed` from the home region's event log; out
go offers, objects and deletions to the other region's border, and references into the home's own event log. Writes the
replicas and the audit log of the home, and what lanes do into its settings; erases the objects of its deleted photos,
and opens no other region's stores.

Read `placement`, which is pure and decides; then `border` and `transfer`, which speak to the other region, `handlers`
and `erasure`, which act; then `replicator` and `lane`, which assemble a process. How much lanes do at once: `budget`,
which is pure, `lane_actor` and `lane_member`, which divide it, and `allowance`, where threads wait for it.
"""
