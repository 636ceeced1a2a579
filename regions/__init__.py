"""The ground floor of every region: what all rooms share and nothing that only one of them needs.

In come a topology file, a residency policy and store URLs; out go ids, records, events, decisions and
the five ports (`regions.stores`). Pure modules (`errors`, `ids`, `records`, `messages`, `topology`,
`policy`, `residency`, `progress`) do no I/O; `config` alone reads the environment and knows every adapter.
"""
