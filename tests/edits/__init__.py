"""Histories of edits: the source and people in the target change one order in turns, and both keep their changes."""
