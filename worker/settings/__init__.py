"""Read intake.toml, and check it whole."""
