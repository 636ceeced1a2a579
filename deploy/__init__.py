"""What an operator starts from: the topology of one machine (`one_machine.toml`) and a residency policy (`policy.yaml`)."""
