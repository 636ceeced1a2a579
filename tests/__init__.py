"""The tests: builders, then unit, contract, property, flow, fault and browser, each in the order of the rooms."""
