"""The failures that the README promises to survive, one test each."""
