"""Simulates RetailCRM, API version 5: a feed of changes, and orders that are created and edited."""
