"""Commands for providers and routes: poll, cursor, backfill, reconcile, pause."""
