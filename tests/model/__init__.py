"""A model of the ledger: random steps, checked after each."""
