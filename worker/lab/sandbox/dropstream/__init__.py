"""Simulates DropStream: lists of orders behind a token."""
