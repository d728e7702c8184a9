"""The Celery tasks. Read them in the order in which an order passes them: poll, accept, deliver, attempt."""
