"""Check the result for every order from the journals of the simulated systems."""
