"""Dropday as a provider and a target."""
