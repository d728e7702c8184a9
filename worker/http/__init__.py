"""Every HTTP call that leaves Intake."""
