"""Check from the journals of simulated systems what became of each order."""
