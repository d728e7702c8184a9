"""The ledger: orders, their state for each target, and the lanes."""
