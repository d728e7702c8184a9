"""The machinery that carries orders from providers to targets."""
