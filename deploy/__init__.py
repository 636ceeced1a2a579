"""What an operator starts from: a residency policy (`policy.yaml`), and real servers on one machine (`servers/`)."""
