"""The contract of webhook kinds, and the kinds that belong to no system."""
