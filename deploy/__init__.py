"""What an operator starts from: one machine's regions and edges (`one_machine.toml`) and a policy (`policy.yaml`).

`servers` installs and runs the real servers behind the five ports, for tests.
"""
