"""A run of up to a million orders with faults at every step."""
