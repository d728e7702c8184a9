"""Every outgoing HTTP call of Intake."""
