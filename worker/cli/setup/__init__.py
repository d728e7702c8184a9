"""Commands that set Intake up: init, check, schema."""
