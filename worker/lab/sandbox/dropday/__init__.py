"""Simulates Dropday: orders that are created, listed and read."""
