"""The walls of one region: what can't go faster however many processes are added. `bench/walls.py` runs them.

In: the addresses of real servers that answer. Out: rows of results. Speed is published here and has no goals; what
counts is how a figure grows with the number of processes. `processes` runs workers at once.
"""
