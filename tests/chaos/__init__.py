"""Tests of the whole product while processes, servers and networks fail."""
