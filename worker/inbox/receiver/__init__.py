"""The receiver: webhooks that come over HTTP become jobs in the inbox."""
