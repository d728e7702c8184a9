"""The shapes of orders: ours, and each system's own."""
