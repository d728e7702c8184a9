"""Tests of the parts together, over real servers."""
