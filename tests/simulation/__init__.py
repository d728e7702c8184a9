"""The whole worker on a fake clock: one seed is one history."""
