"""How Intake is doing: signs of life, alarms, pauses, nudges."""
