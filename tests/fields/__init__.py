"""The way of every field from each system to each other, found by changing it and looking at what changes."""
