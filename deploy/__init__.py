"""What an operator starts from: one machine's regions and edges (`one_machine.toml`) and a policy (`policy.yaml`)."""
