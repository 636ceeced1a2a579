"""May these bytes be here? The policy, the decision, and the record of every decision.

Read `policy` (a YAML file, with the line of each rule), `decide` (the one pure function), `live` (the policy in force),
`audit` (decisions on the audit log) and `countries` (ISO 3166-1).
"""
