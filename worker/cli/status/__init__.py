"""Commands that show how Intake is doing: status, health, metrics."""
