"""Everything that Intake remembers, in Redis."""
