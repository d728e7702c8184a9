"""Simulates Dropboy (by Wuxus): transport jobs uploaded in files, and webhooks about them."""
