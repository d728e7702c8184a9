"""Pictures of the terminal for the README, made from what the commands really print: `make pictures`."""
