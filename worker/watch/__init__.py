"""Watch Intake: one snapshot, judged once, for alarms, metrics and every command that shows the state."""
