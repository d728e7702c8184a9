"""Commands about providers and routes: poll, cursor, backfill, reconcile, pause."""
