"""What an operator runs: `doctor` (is all healthy?), `prepare` (before the first start), `where` (a photo's bytes).

In come a topology and, for `where`, a photo's id; out go tables and an exit code. Only `prepare` writes: buckets,
tables and a policy where there is none. `diagnosis` is the pure half of `doctor`, `stored_copy` what `where` finds.
"""
