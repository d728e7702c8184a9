"""The receiver: an HTTP server that turns webhooks into jobs in the inbox."""
