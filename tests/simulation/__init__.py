"""A simulation of the whole worker on a fake clock: one seed gives one history."""
