"""Simulates OrderCloud, API version 1: a marketplace of orders, line items and webhooks."""
