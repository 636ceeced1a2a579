"""The settings on Consul: values, services, leased numbers and locks under one root.

`adapter` puts them together. Read `connection` (HTTP, deadlines), then `settings` (values and watches), `leases`
(compare-and-set), `locks` (sessions and fencing tokens) and `services`.
"""
