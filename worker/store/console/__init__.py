"""What Redis keeps for the console: its users, their sessions, and failed attempts to sign in."""
