"""The story of an order, told as three Celery tasks: poll, deliver, sweep."""
