"""What an operator starts from: one machine's regions and edges (`one_machine.toml`) and a policy (`policy.yaml`).

Beside the policy lie the answers that it must give (`policy-expectations.yaml`) and its JSON Schema, for editors.

`servers` installs and runs the real servers behind the five ports, for tests.
"""
