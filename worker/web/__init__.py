"""The console: where an order is and what needs a person, for people without a terminal."""
