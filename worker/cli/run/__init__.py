"""Commands that run the processes: up, run."""
