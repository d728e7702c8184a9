"""The registry: which accounts, and which templates of references, the orders of this ledger belong to."""
