"""Where reading stands: cursors, backfills, orders to fetch, reports."""
