"""Benchmarks: each performance figure beside a peer that does the same work in the same run.

`python -m bench NAME…` runs `bench/NAME.py`, prints a table and writes `bench/results/NAME.json`.
"""
