"""Residency: where a photo, a profile or what a person says may be stored, cached, served or processed.

In come the policy file from the region's settings, a record and a place; out go decisions, each with the rule that made
it. Writes only the audit log. Read `countries`, `policy` (the values), `parsing` (from the file), `checking` (against
the places that there are), `decide` (one pure decision), `live` (the current policy), then `audit` (decisions are
logged before data moves).
"""
