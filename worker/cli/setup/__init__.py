"""Commands that set up Intake: init, check, schema."""
