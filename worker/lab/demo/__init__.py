"""The demo and the drill: a real Intake between simulated systems."""
