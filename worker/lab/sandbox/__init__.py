"""The systems that Intake works with, simulated over real HTTP; it imports nothing of Intake's own."""
